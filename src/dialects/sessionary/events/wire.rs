//! The wire type of an event.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reading::{self, ReaderMessage};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{DialectName, Event, JsonText};
use crate::store::{Page, Weighed};

/// An event of a session of any dialect.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct WireEvent {
    id: Uuid,
    /// Counted from 1 in each session, without gaps.
    #[schema(example = 1)]
    number: i64,
    parent_id: Option<Uuid>,
    /// The client's id of the event, unless it is a UUID.
    vendor_id: Option<String>,
    /// The dialect's word for the kind of event.
    #[schema(example = "USER")]
    kind: String,
    author_id: Option<String>,
    content: Option<String>,
    /// The rest, as the dialect stores it.
    #[schema(value_type = Object)]
    payload: JsonText,
    /// Whether the dialect shows it to nobody, such as a message that was summarized.
    hidden: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    /// What it says, in one form over all dialects.
    messages: Vec<ReaderMessage>,
}

impl WireEvent {
    pub(in crate::dialects::sessionary) fn new(dialect: DialectName, event: Event) -> Self {
        Self {
            messages: reading::messages(dialect, &event),
            id: event.id.0,
            number: event.number,
            parent_id: event.parent.map(|id| id.0),
            vendor_id: event.public_id,
            kind: event.kind,
            author_id: event.author_id,
            content: event.content,
            payload: event.payload,
            hidden: event.hidden,
            created_at: Milliseconds(event.created_at),
        }
    }

    /// Returns its number.
    pub(in crate::dialects::sessionary) fn number(&self) -> i64 {
        self.number
    }
}

/// Cuts a page to `bytes`, at least one event. An event counts twice, because `messages` repeat what it says.
pub(in crate::dialects::sessionary) fn cut(page: &mut Page<Event>, bytes: usize) {
    let mut left = bytes;
    let fitting = page.rows.iter().take_while(|event| {
        let weight = 2 * weight(event);
        let fits = weight <= left || left == bytes;
        left = left.saturating_sub(weight);
        fits
    });
    let fitting = fitting.count();
    if fitting < page.rows.len() {
        page.rows.truncate(fitting);
        page.cut = true;
    }
}

fn weight(event: &Event) -> usize {
    struct Texts<'e>(&'e Event);

    impl Weighed for Texts<'_> {
        fn text_bytes(&self) -> usize {
            let content = self.0.content.as_deref().map_or(0, crate::store::json_bytes);
            content + self.0.payload.as_str().len()
        }
    }

    Texts(event).weight()
}
