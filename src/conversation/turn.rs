//! What a turn is made of.

use std::sync::Arc;

use super::accept::PendingReply;
use super::lease::EndReason;
use super::outcome::Completeness;
use crate::domain::{Agent, Event, JsonText, NewEvent, Permit, Responder, Session, Timestamp};
use crate::responders::Speaker;
use crate::store::StoreError;

/// A stored message, what replies to it, and how the reply is stored.
pub struct Turn {
    pub session: Session,
    pub agent: Arc<Agent>,
    pub responder: Responder,
    /// The message as it is stored.
    pub message: Event,
    pub metadata: Option<JsonText>,
    /// Returns whom an event of this dialect speaks for, or `None` if it is no message.
    pub speaker: fn(&Event) -> Option<Speaker>,
    pub pending: PendingReply,
    /// Returns the event that stores the reply, under the id of `pending`.
    pub reply: Box<dyn Fn(String, Completeness) -> NewEvent + Send + Sync>,
    /// What a reply changes of its session.
    pub on_reply: fn(&mut Session, Timestamp),
    /// Counts it among the turns that its organization has running.
    pub permit: Permit,
}

/// Why a turn has no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Responder(#[from] crate::responders::ResponderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no worker replied in time")]
    NoWorker,
    #[error(transparent)]
    Ended(#[from] EndReason),
    #[error("another request's turn came to nothing")]
    NotLed,
}
