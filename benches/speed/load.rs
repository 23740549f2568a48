//! Clients that send prepared requests over keep-alive connections, and measure how long each response takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;

/// Bytes of a response that a client can read: more than any response of the benchmark has.
const BUFFER: usize = 1024 * 1024;
/// The first requests are not counted, because they open connections and fill caches.
const WARM_UP: Duration = Duration::from_millis(500);

/// What the clients measured.
pub struct Measured {
    /// From the first counted request to the last.
    pub took: Duration,
    /// All requests, with those that were not counted.
    pub sent: usize,
    /// Of each counted request, in microseconds, the shortest first.
    latencies: Vec<u32>,
}

impl Measured {
    fn of(took: Duration, clients: Vec<Sent>) -> Self {
        let sent = clients.iter().map(|client| client.count).sum();
        let mut latencies: Vec<u32> = clients.into_iter().flat_map(|client| client.latencies).collect();
        latencies.sort_unstable();
        Self { took, sent, latencies }
    }

    pub fn count(&self) -> usize {
        self.latencies.len()
    }

    pub fn rate(&self) -> f64 {
        self.count() as f64 / self.took.as_secs_f64()
    }

    /// Returns the latency below which this part of a thousand is, in milliseconds.
    pub fn percentile(&self, thousandth: usize) -> f64 {
        let index = (self.count() * thousandth / 1_000).min(self.count().saturating_sub(1));
        self.latencies.get(index).map_or(0.0, |micros| f64::from(*micros) / 1e3)
    }
}

/// What one client measured.
#[derive(Default)]
struct Sent {
    count: usize,
    latencies: Vec<u32>,
}

/// A connection, and the requests that are sent over it in turn.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    requests: Arc<[Vec<u8>]>,
    turn: usize,
    serial: u64,
}

impl Client {
    async fn connect(address: SocketAddr, requests: Arc<[Vec<u8>]>, place: usize) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let serial = (place as u64) << 40 ^ u64::from(std::process::id()) << 20 ^ nanoseconds();
        Ok(Self { stream, buffer: vec![0; BUFFER], requests, turn: place, serial })
    }

    /// Sends the next request, and reads its response.
    async fn send(&mut self) -> Result<(), Failure> {
        let mut request = self.requests[self.turn % self.requests.len()].clone();
        self.turn += 1;
        self.serial += 1;
        fill(&mut request, self.serial.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.stream.write_all(&request).await?;
        let count = read(&mut self.stream, &mut self.buffer).await?;
        match &self.buffer[9..12] {
            b"200" | b"201" => Ok(()),
            _ => Err(String::from_utf8_lossy(&self.buffer[..count]).into_owned().into()),
        }
    }
}

/// Sends requests over `connections` connections for `lasts`, the next one when the response to the one before it has
/// arrived.
pub async fn closed_loop(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    lasts: Duration,
    warmed_up: impl FnOnce(),
) -> Result<Measured, Failure> {
    let requests: Arc<[Vec<u8>]> = requests.into();
    let begin = Instant::now() + WARM_UP;
    let end = begin + lasts;
    let mut clients = JoinSet::new();
    for place in 0..connections {
        let requests = Arc::clone(&requests);
        clients.spawn(async move {
            let mut client = Client::connect(address, requests, place).await?;
            let mut sent = Sent::default();
            loop {
                let began = Instant::now();
                client.send().await?;
                sent.count += 1;
                let now = Instant::now();
                if now >= end {
                    return Ok::<_, Failure>(sent);
                }
                if began >= begin {
                    sent.latencies.push(micros(now - began));
                }
            }
        });
    }
    tokio::time::sleep_until(begin.into()).await;
    warmed_up();
    Ok(Measured::of(lasts, joined(clients).await?))
}

/// Sends `rate` requests a second over `connections` connections for `lasts`, whether or not the responses to earlier
/// ones have arrived. A latency counts from the moment at which the request was due, so that a pause of the service
/// counts for every request that it delayed.
pub async fn open_loop(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    rate: f64,
    lasts: Duration,
) -> Result<Measured, Failure> {
    let requests: Arc<[Vec<u8>]> = requests.into();
    let pause = Duration::from_secs_f64(connections as f64 / rate);
    let begin = Instant::now() + WARM_UP;
    let mut clients = JoinSet::new();
    for place in 0..connections {
        let requests = Arc::clone(&requests);
        clients.spawn(async move {
            let mut client = Client::connect(address, requests, place).await?;
            client.send().await?;
            let mut sent = Sent { count: 1, ..Sent::default() };
            let mut due = begin + pause.mul_f64(place as f64 / connections as f64);
            while due < begin + lasts {
                tokio::time::sleep_until(due.into()).await;
                client.send().await?;
                sent.count += 1;
                sent.latencies.push(micros(due.elapsed()));
                due += pause;
            }
            Ok::<_, Failure>(sent)
        });
    }
    let sent = joined(clients).await?;
    Ok(Measured::of(lasts.max(begin.elapsed()), sent))
}

/// Sends every request once over one connection. Returns the bodies of the responses.
pub async fn one_by_one(address: SocketAddr, requests: &[Vec<u8>]) -> Result<Vec<String>, Failure> {
    let mut client = Client::connect(address, requests.to_vec().into(), 0).await?;
    let mut bodies = Vec::with_capacity(requests.len());
    for _ in requests {
        client.send().await?;
        let text = String::from_utf8_lossy(&client.buffer);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        bodies.push(body.trim_end_matches('\0').to_owned());
        client.buffer.fill(0);
    }
    Ok(bodies)
}

async fn joined(mut clients: JoinSet<Result<Sent, Failure>>) -> Result<Vec<Sent>, Failure> {
    let mut sent = Vec::new();
    while let Some(client) = clients.join_next().await {
        sent.push(client??);
    }
    Ok(sent)
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// Returns a number that differs from run to run.
fn nanoseconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs() << 30
}

/// Replaces every `~` by a hexadecimal digit.
fn fill(request: &mut [u8], mut bits: u64) {
    for byte in request.iter_mut().filter(|byte| **byte == b'~') {
        *byte = b"0123456789abcdef"[(bits & 15) as usize];
        bits = bits.rotate_right(4).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(1);
    }
}

/// Reads one response. Returns its length.
async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Err("the connection was closed, or a response is too large".into());
        }
        filled += count;
        let Some(head) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let length = std::str::from_utf8(&buffer[..head])?
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "))
            .ok_or("a response without a length")?
            .parse::<usize>()?;
        if filled >= head + 4 + length {
            return Ok(filled);
        }
    }
}
