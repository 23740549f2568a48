//! An event as its row has it.

use uuid::Uuid;

use crate::domain::{Event, EventId, JsonText, Timestamp};
use crate::store::StoreError;
use crate::store::bytes::{Weighed, json_bytes, optional_json_bytes};
use crate::store::sessions::RowKey;

/// A row of `session_events`.
#[derive(Debug)]
pub struct EventRow {
    pub org_id: Uuid,
    pub dialect: i16,
    pub session_id: Uuid,
    pub number: i64,
    pub event_id: Uuid,
    pub public_id: Option<String>,
    pub parent_id: Option<Uuid>,
    pub kind: String,
    pub author_id: Option<String>,
    pub content: Option<String>,
    pub payload: String,
    pub hidden: bool,
    pub created_at: Timestamp,
}

impl EventRow {
    pub(in crate::store) fn key(&self) -> RowKey {
        RowKey::of(self.org_id, self.dialect, self.session_id)
    }
}

impl Weighed for EventRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.public_id, &self.author_id, &self.content];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + json_bytes(&self.kind) + self.payload.len()
    }
}

impl TryFrom<EventRow> for Event {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, Self::Error> {
        Ok(Self {
            number: row.number,
            id: EventId(row.event_id),
            public_id: row.public_id,
            parent: row.parent_id.map(EventId),
            kind: row.kind,
            author_id: row.author_id,
            content: row.content,
            payload: JsonText::stored(row.payload)?,
            hidden: row.hidden,
            created_at: row.created_at,
        })
    }
}
