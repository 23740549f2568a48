//! An endpoint for replies, which behaves as a test asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The steps on a connection, one after another; then it disconnects.
#[derive(Clone)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes repeatedly, until the client disconnects.
    Forever(Vec<u8>),
    /// Sends these bytes at this interval, until the client disconnects.
    Every(Duration, Vec<u8>),
    /// Waits until the test continues it.
    Until(Arc<Notify>),
    /// Sends nothing more, but does not disconnect.
    Hang,
    /// Disconnects with a reset.
    Reset,
}

/// A received request.
pub struct Received {
    /// Its request line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (other, value) = line.split_once(':')?;
            other.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Listens on loopback until it is dropped. The n-th request gets the n-th script, later ones the last.
pub struct FakeResponder {
    /// `http://127.0.0.1:<port>`
    pub url: String,
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    arrived: Arc<Notify>,
    ended: Arc<Notify>,
    serving: JoinHandle<()>,
}

impl FakeResponder {
    pub async fn start(scripts: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self::on_a_port(|_| scripts.into_iter().collect()).await
    }

    /// Starts it with scripts that need to know the port.
    pub async fn on_a_port(scripts: impl FnOnce(u16) -> Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let scripts = scripts(port);
        let received = Arc::new(Mutex::new(Vec::new()));
        let (arrived, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (log, bell, end) = (Arc::clone(&received), Arc::clone(&arrived), Arc::clone(&ended));
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut count = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read_request(&mut stream).await else { continue };
                log.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                bell.notify_one();
                count += 1;
                let script = scripts.get(count - 1).or(scripts.last()).cloned().unwrap_or_default();
                let end = Arc::clone(&end);
                connections.spawn(async move {
                    play(stream, script).await;
                    end.notify_one();
                });
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), port, received, arrived, ended, serving }
    }

    /// Waits until a connection has ended, within ten seconds.
    pub async fn hung_up(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.ended.notified()).await.expect("nobody hangs up");
    }

    /// Waits within ten seconds until this many requests have arrived since the last call. Returns all that have
    /// arrived.
    pub async fn requests(&self, count: usize) -> Vec<Received> {
        let come = || self.received.lock().unwrap_or_else(PoisonError::into_inner).len() >= count;
        let all = async {
            while !come() {
                self.arrived.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.expect("requests in time");
        self.received()
    }

    /// Returns the requests that have arrived since the last call.
    pub fn received(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for FakeResponder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut request = Received { head, body: bytes[end + 4..].to_vec() };
            let length: usize = request.header("content-length")?.parse().ok()?;
            while request.body.len() < length {
                stream.read_buf(&mut request.body).await.ok().filter(|count| *count > 0)?;
            }
            return Some(request);
        }
        stream.read_buf(&mut bytes).await.ok().filter(|count| *count > 0)?;
    }
}

async fn play(mut stream: TcpStream, script: Vec<Step>) {
    for step in script {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Forever(bytes) => while stream.write_all(&bytes).await.is_ok() {},
            Step::Every(interval, bytes) => {
                let mut ticks = tokio::time::interval(interval);
                while stream.write_all(&bytes).await.is_ok() {
                    ticks.tick().await;
                }
            }
            Step::Until(told) => told.notified().await,
            // Until the other side disconnects.
            Step::Hang => {
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Step::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
    // Reads the remaining input, because closing with unread input would reset the connection.
    let _ = stream.shutdown().await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
}

/// Returns a complete response.
pub fn answer(status: u16, media_type: &str, body: &str) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 {status} Word\r\nContent-Type: {media_type}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    vec![Step::Send((head + body).into_bytes())]
}

/// Returns a response with a `Retry-After`.
pub fn asking(status: u16, retry_after: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status} Word\r\nRetry-After: {retry_after}\r\nConnection: close\r\n");
    vec![Step::Send((head + "Content-Length: 0\r\n\r\n").into_bytes())]
}

pub fn json(body: &str) -> Vec<Step> {
    answer(200, "application/json; charset=utf-8", body)
}

/// Returns a redirect to this location.
pub fn redirect(status: u16, location: &str) -> Vec<Step> {
    let head =
        format!("HTTP/1.1 {status} Word\r\nLocation: {location}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    vec![Step::Send(head.into_bytes())]
}

/// Returns the head of a stream of events.
pub fn events() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec())
}

/// Returns these bytes as one chunk, which is read separately from all others.
pub fn chunk(bytes: impl AsRef<[u8]>) -> Step {
    let bytes = bytes.as_ref();
    Step::Send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

/// Returns the end of a stream of chunks.
pub fn end() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// Returns a stream of these chunks that ends correctly.
pub fn streamed<T: AsRef<[u8]>>(chunks: impl IntoIterator<Item = T>) -> Vec<Step> {
    std::iter::once(events()).chain(chunks.into_iter().map(chunk)).chain([end()]).collect()
}
