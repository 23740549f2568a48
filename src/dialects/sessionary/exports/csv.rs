//! An export as CSV: a row for each event, for people and spreadsheets. It is not complete, and an import does not read
//! it.

use crate::dialects::sessionary::session_ref::SessionRef;
use crate::dialects::shared::csv;
use crate::store::ExportedPart;

const COLUMNS: [&str; 15] = [
    "session_id",
    "dialect",
    "vendor_id",
    "user_id",
    "agent_id",
    "session_name",
    "session_created_at",
    "number",
    "event_id",
    "kind",
    "author_id",
    "text",
    "hidden",
    "created_at",
    "cursor",
];

/// The content type of a file.
pub(super) const CONTENT_TYPE: &str = "text/csv; charset=utf-8";

/// Returns the beginning of a file.
#[must_use]
pub fn head() -> String {
    csv::head(COLUMNS)
}

/// Appends the rows of a part. The last one of a part has its cursor.
pub(super) fn write(part: &ExportedPart, cursor: Option<&str>, text: &mut Vec<u8>) {
    let session = &part.session;
    let id = SessionRef::from(session).to_string();
    let agent = session.agent.map(|id| id.to_string()).unwrap_or_default();
    let created_at = session.created_at.to_rfc3339();
    for (place, exported) in part.events.iter().enumerate() {
        let event = &exported.event;
        let is_last = place + 1 == part.events.len();
        let row = csv::row([
            id.as_str(),
            session.dialect.as_str(),
            &session.public_id,
            session.user_id.as_deref().unwrap_or_default(),
            &agent,
            session.name.as_deref().unwrap_or_default(),
            &created_at,
            &event.number.to_string(),
            &event.id.to_string(),
            &event.kind,
            event.author_id.as_deref().unwrap_or_default(),
            event.content.as_deref().unwrap_or_default(),
            if event.hidden { "true" } else { "false" },
            &event.created_at.to_rfc3339(),
            cursor.filter(|_| is_last).unwrap_or_default(),
        ]);
        text.extend_from_slice(row.as_bytes());
    }
}
