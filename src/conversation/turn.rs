//! What a turn is made of.

use std::sync::Arc;

use super::accept::PendingReply;
use super::lease::EndReason;
use super::outcome::Completeness;
use crate::domain::{Agent, Event, JsonText, NewEvent, Permit, Responder, Session, Timestamp};
use crate::responders::Speaker;
use crate::store::StoreError;

/// A stored message, the agent that replies to it, and how the reply is stored.
pub struct Turn {
    pub session: Session,
    pub agent: Arc<Agent>,
    pub responder: Responder,
    pub message: Event,
    pub metadata: Option<JsonText>,
    /// Returns who wrote an event of this dialect, or `None` if it is not a message.
    pub speaker: fn(&Event) -> Option<Speaker>,
    pub pending: PendingReply,
    /// Returns the event that stores the reply, under the id of `pending`.
    pub reply: Box<dyn Fn(String, Completeness) -> NewEvent + Send + Sync>,
    /// Changes the session when its reply is stored.
    pub on_reply: fn(&mut Session, Timestamp),
    /// Counts it towards the running turns of its organization.
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
    #[error("another request's turn ended without a reply")]
    NotLed,
}
