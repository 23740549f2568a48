//! The driver of streamed replies: it sends the parts of a turn to the client as they arrive, in the frames of a
//! dialect. It stops sending when the client's credential is revoked; the reply is stored nevertheless. It does not stop
//! when the credential expires, because a reply takes longer than some tokens are valid.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;

use crate::auth::{Authenticator, Standing};
use crate::conversation::{Outcome, Part, Parts};
use crate::domain::{Permit, Principal};
use crate::http::event_stream::{self, CONTENT_TYPE, FrameSender};
use crate::idempotency::IdempotencyGuard;

/// The frames in which a dialect streams a reply.
pub trait ReplyFrames: Send + 'static {
    /// The status of a response that streams.
    const STATUS: StatusCode = StatusCode::OK;

    /// Sends what precedes the reply.
    fn begin(&mut self, _client: &mut FrameSender) {}

    /// Sends a piece of the reply.
    fn piece(&mut self, text: &str, client: &mut FrameSender);

    /// Sends what follows the last piece. `outcome` is the outcome of the turn, or `None` if no reply was expected.
    /// Returns whether the request succeeded. If it did, its response is stored under its idempotency key.
    fn end(&mut self, outcome: Option<Outcome>, client: &mut FrameSender) -> impl Future<Output = bool> + Send;
}

/// The client that reads a stream.
pub struct StreamReader {
    /// Released when the client stops reading.
    permit: Permit,
    credential: StreamCredential,
}

impl StreamReader {
    /// Returns a client that takes a permit and that is `principal`.
    #[must_use]
    pub fn new(permit: Permit, authenticator: Arc<Authenticator>, principal: Principal) -> Self {
        Self { permit, credential: StreamCredential { authenticator, principal } }
    }
}

/// The credential with which a stream was requested.
struct StreamCredential {
    authenticator: Arc<Authenticator>,
    principal: Principal,
}

impl StreamCredential {
    /// Ends the stream for the client if the credential is known to be withdrawn.
    async fn check(&self, client: &mut FrameSender) {
        if matches!(self.authenticator.standing(&self.principal).await, Ok(Standing::Withdrawn)) {
            client.hang_up();
        }
    }
}

/// Returns the response that streams a reply. The stream is stored under the request's idempotency key when it ends,
/// even if the client has closed the connection by then.
pub fn response<F: ReplyFrames>(
    frames: F,
    parts: Option<Parts>,
    guard: IdempotencyGuard,
    reader: StreamReader,
) -> Response {
    let StreamReader { permit, credential } = reader;
    let (client, stream) = event_stream::frame_channel(guard.is_keyed());
    tokio::spawn(drive(frames, parts, guard, client, credential));
    let mut response = event_stream::response(event_stream::holding(stream, permit));
    *response.status_mut() = F::STATUS;
    response
}

async fn drive<F: ReplyFrames>(
    mut frames: F,
    parts: Option<Parts>,
    guard: IdempotencyGuard,
    mut client: FrameSender,
    credential: StreamCredential,
) {
    frames.begin(&mut client);
    let outcome = match parts {
        Some(parts) => Some(send_pieces(&mut frames, parts, &guard, &mut client, &credential).await),
        None => None,
    };
    credential.check(&mut client).await;
    let succeeded = frames.end(outcome, &mut client).await;
    match client.into_transcript() {
        Some(transcript) if succeeded => guard.store(F::STATUS, Some(CONTENT_TYPE), &transcript).await,
        _ => guard.give_up().await,
    }
}

/// Sends the pieces as they arrive, and renews the lease of the idempotency key meanwhile. Returns the outcome of the
/// turn.
async fn send_pieces<F: ReplyFrames>(
    frames: &mut F,
    mut parts: Parts,
    guard: &IdempotencyGuard,
    client: &mut FrameSender,
    credential: &StreamCredential,
) -> Outcome {
    let mut renewing = pin!(guard.renewing());
    loop {
        let part = tokio::select! {
            part = parts.recv() => part,
            () = &mut renewing => None,
        };
        match part {
            Some(Part::Chunk(text)) => {
                credential.check(client).await;
                frames.piece(&text, client);
            }
            Some(Part::Over(outcome)) => return outcome,
            None => return Outcome::Failed,
        }
    }
}
