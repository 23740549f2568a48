//! The state of one connection's client.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a client has to send its first request while others wait for its connection.
const NEW: Duration = Duration::from_secs(1);

/// State that the parts of one connection share. All of them run in the connection's own task, so a change is visible
/// to whatever is polled after it, and nothing has to be woken.
pub(super) struct Client(Mutex<State>);

struct State {
    connected_at: Instant,
    phase: Phase,
    /// Whether the head of a request has been received at least once.
    has_sent_request: bool,
    /// Whether the client is disconnected, so that nothing can be written to it.
    is_gone: bool,
    /// Whether the client sends nothing more. It may still read, or be disconnected; TCP does not show which.
    has_finished: bool,
    /// Whether an event stream is being sent.
    streams_events: bool,
    /// Whether an event stream has to send something, because only a write shows whether the client is disconnected.
    probe_due: bool,
    /// Whether a request's body was not read to its end.
    has_unread_body: bool,
    /// The part of a request's body that its handler did not read.
    leftover: Option<Incoming>,
}

/// What the connection waits for, and since when.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The rest of a request's head.
    Head { since: Instant },
    /// The next request.
    Idle { since: Instant },
    /// A request is being served.
    Busy,
}

/// When an unused connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The head of a request must be complete.
    Head(Instant),
    /// The next request must have begun.
    Request(Instant),
    /// Never, while a request is being served.
    Never,
}

impl Client {
    /// Returns a client that has just connected.
    pub fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(State {
            connected_at: now,
            phase: Phase::Head { since: now },
            has_sent_request: false,
            is_gone: false,
            has_finished: false,
            streams_events: false,
            probe_due: false,
            has_unread_body: false,
            leftover: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called when bytes were read. Bytes that end an idle time begin a request's head.
    pub fn bytes_arrived(&self) {
        let mut state = self.state();
        if let Phase::Idle { .. } = state.phase {
            state.phase = Phase::Head { since: Instant::now() };
        }
    }

    /// Called when a request's head is complete.
    pub fn request_began(&self) {
        let mut state = self.state();
        state.phase = Phase::Busy;
        state.has_sent_request = true;
        state.leftover = None;
    }

    /// Called when a response was sent or given up.
    pub fn response_ended(&self) {
        let mut state = self.state();
        state.phase = Phase::Idle { since: Instant::now() };
        state.streams_events = false;
    }

    pub fn has_sent_request(&self) -> bool {
        self.state().has_sent_request
    }

    /// Returns whether the client has just connected, so that its first request may be on its way.
    pub fn is_new(&self) -> bool {
        let state = self.state();
        !state.has_sent_request && state.connected_at.elapsed() < NEW
    }

    /// Returns when the connection is closed if nothing changes.
    pub fn due(&self, head: Duration, keep_alive: Duration) -> Due {
        match self.state().phase {
            Phase::Head { since } => Due::Head(since + head),
            Phase::Idle { since } => Due::Request(since + keep_alive),
            Phase::Busy => Due::Never,
        }
    }

    /// Called when a write or the socket itself failed.
    pub fn set_gone(&self) {
        self.state().is_gone = true;
    }

    pub fn is_gone(&self) -> bool {
        self.state().is_gone
    }

    /// Resolves when the client is disconnected. Like everything here, it must be polled by the connection's task.
    pub async fn gone(&self) {
        std::future::poll_fn(|_| if self.is_gone() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    pub fn begin_event_stream(&self) {
        self.state().streams_events = true;
    }

    /// Watches, while an event stream is sent, whether the client has finished sending. Ready each time that the
    /// connection has to be polled again because of it.
    pub fn poll_finished(&self, socket: &TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !state.streams_events || state.has_finished || state.is_gone {
            return Poll::Pending;
        }
        let mut byte = [0];
        match socket.poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0)) => {
                state.has_finished = true;
                state.probe_due = true;
                Poll::Ready(())
            }
            Poll::Ready(Err(_)) => {
                state.is_gone = true;
                Poll::Ready(())
            }
            // Another request waits after the stream and hides the end. Writes will show it.
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    /// Returns whether an event stream has to send something now. Resets the flag.
    pub fn take_probe(&self) -> bool {
        std::mem::take(&mut self.state().probe_due)
    }

    /// Stores the rest of a body that was dropped unread.
    pub fn keep_leftover(&self, body: Incoming) {
        self.state().leftover = Some(body);
    }

    pub fn take_leftover(&self) -> Option<Incoming> {
        self.state().leftover.take()
    }

    pub fn leaves_body_unread(&self) {
        self.state().has_unread_body = true;
    }

    pub fn has_unread_body(&self) -> bool {
        self.state().has_unread_body
    }
}
