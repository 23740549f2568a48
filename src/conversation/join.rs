//! Waits for a reply that another request asked for, on this replica or on another.

use std::time::Duration;

use tokio::time::Instant;

use super::Conversations;
use super::lease::{EndReason, ended};
use super::retry::with_retries;
use crate::domain::{Event, EventId, Session};
use crate::store::{StoreError, TenantStore};

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long to wait for a reply: longer than any reply may take.
const JOIN_TIMEOUT: Duration = Duration::from_secs(150);

/// How a turn ended that another request leads.
pub(super) enum Joined {
    Replied(Event),
    Ended(EndReason),
    /// It ended without a reply, or its replica failed.
    Failed,
}

/// Waits until the turn of this reply is over.
///
/// # Errors
/// [`StoreError::Unavailable`], `Busy` or `OrgBusy` if the database cannot be used for ten seconds, and any other store
/// error at once.
pub(super) async fn wait(
    conversations: &Conversations,
    store: &TenantStore,
    session: &Session,
    reply: EventId,
) -> Result<Joined, StoreError> {
    let deadline = Instant::now() + JOIN_TIMEOUT;
    let mut pause = FIRST_PAUSE;
    let find_reply = || with_retries(|| async { store.sessions().events(session).find(reply).await });
    while Instant::now() < deadline {
        if let Some(event) = find_reply().await? {
            return Ok(Joined::Replied(event));
        }
        let current = with_retries(|| async { store.sessions().find(session.dialect, session.id).await }).await?;
        let Some(current) = current else { return Ok(Joined::Ended(EndReason::SessionEnded)) };
        if let Some(reason) = ended(&current) {
            return Ok(Joined::Ended(reason));
        }
        let ending = match current.turn {
            Some(turn) if turn.reply == reply => {
                (!turn.is_running(conversations.clock.now())).then_some(Joined::Failed)
            }
            _ if session.dialect.replies_one_at_a_time() => Some(Joined::Ended(EndReason::Interrupted)),
            // The session's turn belongs to a later message. The turn of this reply may still run.
            _ => None,
        };
        if let Some(ending) = ending {
            // The reply may have been stored between the two reads.
            return Ok(find_reply().await?.map_or(ending, Joined::Replied));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(Joined::Failed)
}
