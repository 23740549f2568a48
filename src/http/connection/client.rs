//! What one connection knows of its client.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a client has to send its first request where others wait for its connection.
const NEW: Duration = Duration::from_secs(1);

/// The state that the parts of one connection share. All of them run in the connection's own task, so that a change is
/// seen by whatever is polled after it, and nothing has to be woken.
pub(super) struct Client(Mutex<State>);

struct State {
    connected_at: Instant,
    phase: Phase,
    /// Whether a whole request's head has come at least once.
    has_sent_request: bool,
    /// Nothing that is written arrives any longer.
    is_gone: bool,
    /// The client sends nothing more. It may still read, or be gone: TCP does not say which.
    has_finished: bool,
    /// Whether an event stream is being sent.
    streams_events: bool,
    /// Whether an event stream is to send something, because only a write shows whether the client is gone.
    probe_due: bool,
    /// Whether a request's body was not read to its end.
    has_unread_body: bool,
    /// The rest of a request's body that its handler did not read.
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

/// When a connection is closed that its client does not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The head of a request is to be there.
    Head(Instant),
    /// The next request is to have begun.
    Request(Instant),
    /// Never, while a request is being served.
    Never,
}

impl Client {
    /// A client that has connected now.
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

    /// To be called when bytes were read: those that end an idle time begin a request's head.
    pub fn bytes_arrived(&self) {
        let mut state = self.state();
        if let Phase::Idle { .. } = state.phase {
            state.phase = Phase::Head { since: Instant::now() };
        }
    }

    /// To be called when a request's head is whole.
    pub fn request_began(&self) {
        let mut state = self.state();
        state.phase = Phase::Busy;
        state.has_sent_request = true;
        state.leftover = None;
    }

    /// To be called when a response was handed over whole, or given up.
    pub fn response_ended(&self) {
        let mut state = self.state();
        state.phase = Phase::Idle { since: Instant::now() };
        state.streams_events = false;
    }

    pub fn has_sent_request(&self) -> bool {
        self.state().has_sent_request
    }

    /// Returns whether the client has connected only just, so that its first request may be on its way.
    pub fn is_new(&self) -> bool {
        let state = self.state();
        !state.has_sent_request && state.connected_at.elapsed() < NEW
    }

    /// Returns when the connection is to be closed, if it goes on as it is.
    pub fn due(&self, head: Duration, keep_alive: Duration) -> Due {
        match self.state().phase {
            Phase::Head { since } => Due::Head(since + head),
            Phase::Idle { since } => Due::Request(since + keep_alive),
            Phase::Busy => Due::Never,
        }
    }

    /// To be called when a write or the socket itself failed.
    pub fn set_gone(&self) {
        self.state().is_gone = true;
    }

    pub fn is_gone(&self) -> bool {
        self.state().is_gone
    }

    /// Returns once the client is gone. It must be polled by the connection's task, as everything here.
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
            // Another request waits behind the stream, and hides what comes after it. Writes show the end.
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    /// Returns whether an event stream is to send something now, once.
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
