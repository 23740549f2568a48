//! Waits for the reply of a worker to appear in the session, for agents without a responder.

use std::time::Duration;

use super::retry::with_retries;
use crate::domain::{Event, Session};
use crate::responders::Speaker;
use crate::store::{EventWindow, StoreError, TenantStore};

/// How long to wait for a reply: less than a handler may take, so that the client gets the vendor's own error.
const WORKER_TIMEOUT: Duration = Duration::from_secs(25);
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Events that are read at once.
const PAGE: i64 = 50;

/// Returns the agent's first event after `message` that replies to it, or that has no parent. Returns `None` if there
/// is none within 25 seconds.
pub(super) async fn wait(
    store: &TenantStore,
    session: &Session,
    message: &Event,
    speaker: fn(&Event) -> Option<Speaker>,
) -> Result<Option<Event>, StoreError> {
    let waited = tokio::time::timeout(WORKER_TIMEOUT, async {
        let mut seen = message.number;
        let mut pause = FIRST_PAUSE;
        loop {
            let window = EventWindow { after_number: Some(seen), ..EventWindow::default() };
            let events =
                with_retries(|| async { store.sessions().events(session).oldest(&window, PAGE).await }).await?.rows;
            seen = events.last().map_or(seen, |event| event.number);
            if let Some(reply) = events.into_iter().find(|event| is_reply(event, message, speaker)) {
                return Ok(reply);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
    waited.await.ok().transpose()
}

fn is_reply(event: &Event, message: &Event, speaker: fn(&Event) -> Option<Speaker>) -> bool {
    speaker(event) == Some(Speaker::Agent) && event.parent.is_none_or(|parent| parent == message.id)
}
