//! Where nothing of the house answers: waiting for a worker's reply to appear in the session.

use std::time::Duration;

use super::retry::with_retries;
use crate::domain::{Event, Session};
use crate::responders::Speaker;
use crate::store::{EventWindow, StoreError, TenantStore};

/// How long a reply is waited for: less than a handler may take, so that the caller is told in the vendor's words.
const PATIENCE: Duration = Duration::from_secs(25);
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Events that are looked at in one go.
const PAGE: i64 = 50;

/// The first event after `message` in which the agent speaks to it, or to nobody in particular.
pub(super) async fn wait(
    store: &TenantStore,
    session: &Session,
    message: &Event,
    speaker: fn(&Event) -> Option<Speaker>,
) -> Result<Option<Event>, StoreError> {
    let waited = tokio::time::timeout(PATIENCE, async {
        let mut seen = message.number;
        let mut pause = FIRST_PAUSE;
        loop {
            let window = EventWindow { after_number: Some(seen), ..EventWindow::default() };
            let events =
                with_retries(|| async { store.sessions().events(session).oldest(&window, PAGE).await }).await?.rows;
            seen = events.last().map_or(seen, |event| event.number);
            if let Some(reply) = events.into_iter().find(|event| answers(event, message, speaker)) {
                return Ok(reply);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
    waited.await.ok().transpose()
}

fn answers(event: &Event, message: &Event, speaker: fn(&Event) -> Option<Speaker>) -> bool {
    speaker(event) == Some(Speaker::Agent) && event.parent.is_none_or(|parent| parent == message.id)
}
