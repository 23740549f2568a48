//! The driver of streamed replies: it sends the parts of a turn to the client as they arrive, in the frames of a
//! dialect.

use std::future::Future;
use std::pin::pin;

use axum::response::Response;
use http::StatusCode;

use crate::conversation::{Outcome, Part, Parts};
use crate::domain::Permit;
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

/// Returns the response that streams a reply. The stream is stored under the request's idempotency key when it ends,
/// even if the client has closed the connection by then. `permit` is released when the client stops reading.
pub fn response<F: ReplyFrames>(frames: F, parts: Option<Parts>, guard: IdempotencyGuard, permit: Permit) -> Response {
    let (client, stream) = event_stream::frame_channel(guard.is_keyed());
    tokio::spawn(drive(frames, parts, guard, client));
    let mut response = event_stream::response(event_stream::holding(stream, permit));
    *response.status_mut() = F::STATUS;
    response
}

async fn drive<F: ReplyFrames>(mut frames: F, parts: Option<Parts>, guard: IdempotencyGuard, mut client: FrameSender) {
    frames.begin(&mut client);
    let outcome = match parts {
        Some(parts) => Some(send_pieces(&mut frames, parts, &guard, &mut client).await),
        None => None,
    };
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
) -> Outcome {
    let mut renewing = pin!(guard.renewing());
    loop {
        let part = tokio::select! {
            part = parts.recv() => part,
            () = &mut renewing => None,
        };
        match part {
            Some(Part::Chunk(text)) => frames.piece(&text, client),
            Some(Part::Over(outcome)) => return outcome,
            None => return Outcome::Failed,
        }
    }
}
