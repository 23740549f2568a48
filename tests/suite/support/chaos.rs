//! A connection to Postgres that can be interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// Everything passes.
    Sound,
    /// Nothing passes, and neither side notices.
    Silent,
    /// Every connection is closed, and no new one is accepted.
    Cut,
    /// The next COMMIT, or statement that contains [`MARK`], is cut off before Postgres receives it; then everything
    /// passes.
    CutBeforeCommit,
    /// The next of them is executed, and its response cut off; then everything passes.
    CutAfterCommit,
}

/// A text in a statement that is a transaction of its own, for which there is no COMMIT to cut off.
pub const MARK: &str = "a line that may be cut here";

/// A proxy in front of the test run's Postgres.
pub struct Chaos {
    pub port: u16,
    line: watch::Sender<Line>,
    commits_cut: Arc<AtomicU8>,
}

impl Chaos {
    pub async fn start() -> Self {
        let socket = super::socket().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (line, watched) = watch::channel(Line::Sound);
        let commits_cut = Arc::new(AtomicU8::new(0));
        let (sender, count) = (line.clone(), Arc::clone(&commits_cut));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *watched.borrow() == Line::Cut {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&socket).await else { continue };
                tokio::spawn(carry(client, server, sender.clone(), watched.clone(), Arc::clone(&count)));
            }
        });
        Self { port, line, commits_cut }
    }

    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// Returns how many COMMITs have been cut off.
    pub fn commits_cut(&self) -> u8 {
        self.commits_cut.load(Ordering::SeqCst)
    }
}

/// Forwards bytes both ways until either side, or the test, ends it.
async fn carry(
    mut client: TcpStream,
    mut server: UnixStream,
    line: watch::Sender<Line>,
    mut watched: watch::Receiver<Line>,
    commits_cut: Arc<AtomicU8>,
) {
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let now = *watched.borrow_and_update();
        if now == Line::Cut {
            return;
        }
        tokio::select! {
            _ = watched.changed() => {}
            read = client.read(&mut up), if now != Line::Silent => {
                let Ok(count @ 1..) = read else { return };
                let bytes = &up[..count];
                let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
                let commits = holds("COMMIT") || holds(MARK);
                if commits && matches!(now, Line::CutBeforeCommit | Line::CutAfterCommit) {
                    // The first connection to arrive here is cut.
                    let first = line.send_if_modified(|line| std::mem::replace(line, Line::Sound) != Line::Sound);
                    if first {
                        commits_cut.fetch_add(1, Ordering::SeqCst);
                        if now == Line::CutAfterCommit {
                            let _ = server.write_all(bytes).await;
                            let _ = server.read(&mut down).await;
                        }
                        return;
                    }
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down), if now != Line::Silent => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
