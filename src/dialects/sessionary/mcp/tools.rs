//! The tools. Their results have at most about 64 KiB, because a model reads them.

use std::fmt::Write as _;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde::Serialize;
use serde_json::{Value, json};

use super::server::Server;
use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::events::reading::{self, ReaderMessage};
use crate::dialects::sessionary::events::{self};
use crate::dialects::sessionary::page::List;
use crate::dialects::sessionary::query::{Parameter, RawQuery, invalid, once};
use crate::dialects::sessionary::search;
use crate::dialects::sessionary::sessions::filters::{self, FILTERS, Filters, SOUGHT};
use crate::dialects::sessionary::sessions::find_many::{self, SearchIn};
use crate::dialects::sessionary::sessions::session;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Scope, Session};
use crate::http::QueryPairs;
use crate::store::{AcrossCursor, CreationOrder, StoreError};

/// Bytes of a result.
const RESULT_BYTES: usize = 64 * 1024;
/// Characters of one text in a result.
const TEXT_LIMIT: usize = 8_000;
/// Bytes of the events that one call reads.
const READ_BYTES: usize = 1024 * 1024;

/// Why a call has no result, for the model to read.
#[derive(Debug)]
pub(super) struct ToolFault(pub String);

impl From<SessionaryError> for ToolFault {
    fn from(error: SessionaryError) -> Self {
        let mut text = error.detail();
        if let SessionaryError::InvalidQuery(faults) = &error {
            for fault in faults {
                let _ = write!(text, " {fault}");
            }
        }
        Self(text)
    }
}

impl From<StoreError> for ToolFault {
    fn from(error: StoreError) -> Self {
        SessionaryError::from(error).into()
    }
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn page_members(mut members: Value) -> Value {
    members["limit"] = json!({"type": "integer", "minimum": 1, "maximum": 100, "description": "25 unless given."});
    members["cursor"] = text("The next_cursor of the result before, with the same other arguments.");
    members
}

fn tool(name: &'static str, description: &'static str, required: &[&str], properties: Value) -> Tool {
    let schema = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    let schema = if let Value::Object(schema) = schema { schema } else { JsonObject::new() };
    let mut tool = Tool::new(name, description, schema);
    tool.annotations = Some(ToolAnnotations::new().read_only(true).open_world(false));
    tool
}

/// Returns the tools with their schemas.
pub(super) fn all() -> Vec<Tool> {
    let dialects = ["agnost", "agntix", "agent_key", "messaging", "integer_id"];
    vec![
        tool(
            "list_sessions",
            "Lists sessions, newest first, filtered by dialect, agent, user, state, kind, time, metadata or a text.",
            &[],
            page_members(json!({
                "dialect": {"type": "array", "items": {"type": "string", "enum": dialects}},
                "agent_id": text("A UUID."),
                "user_id": text("The user that the session belongs to."),
                "state": {"type": "string", "enum": ["open", "expired", "ended"]},
                "kind": text("The dialect's word for how the session came about."),
                "created_after": text("A time such as 2026-04-29T09:00:00.000Z."),
                "created_before": text("A time such as 2026-04-29T09:00:00.000Z."),
                "metadata": text("A condition such as plan = 'pro' AND seats > 3."),
                "q": text("A text in the name, the description, the id or a message."),
                "order": {"type": "string", "enum": ["newest", "oldest"]},
            })),
        ),
        tool(
            "get_session",
            "Returns one session with its metadata.",
            &["session_id"],
            json!({"session_id": text("The session's id, such as agntix_019d1f0bd80070008000000000000001.")}),
        ),
        tool(
            "read_messages",
            "Reads the messages of a session: who said what, and calls of tools.",
            &["session_id"],
            page_members(json!({
                "session_id": text("The session's id."),
                "order": {"type": "string", "enum": ["oldest", "newest"], "description": "oldest unless given."},
            })),
        ),
        tool(
            "search_sessions",
            "Looks for a text in the names, descriptions, ids and messages of all sessions, newest session first.",
            &["q"],
            page_members(json!({"q": text("The text: 1 to 200 characters.")})),
        ),
    ]
}

/// Returns a list as the arguments of a call ask for it. Its cursors are those of the tool.
fn list(server: &Server, tool: &str, arguments: JsonObject, known: &[Parameter]) -> Result<List, ToolFault> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &arguments {
        let texts = |values: &[Value]| -> Option<Vec<String>> {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
        };
        let value = match value {
            Value::Null => continue,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(values) => texts(values).map(|texts| texts.join(",")),
            Value::Bool(_) | Value::Object(_) => None,
        };
        let name: String = name.chars().take(100).collect();
        let value = value.ok_or_else(|| ToolFault(format!("The argument {name:?} has a wrong type.")))?;
        query.append_pair(&name, &value);
    }
    let raw = RawQuery::of(&format!("{}#{tool}", super::PATH), QueryPairs::of(&query.finish()));
    Ok(List::of(&raw, server.store.org(), known)?)
}

fn required(list: &List, name: &'static str) -> Result<String, ToolFault> {
    let value = list.query().text(name).map(str::to_owned);
    Ok(value.ok_or_else(|| invalid(name, "is required"))?)
}

/// The rows of a result as JSON, as long as they fit.
struct Rows {
    rows: Vec<Value>,
    left: usize,
}

impl Rows {
    fn new() -> Self {
        Self { rows: Vec::new(), left: RESULT_BYTES }
    }

    /// Adds a row. Returns `false` if it does not fit. The first always does; if it is too long, its longest members
    /// are left out.
    fn push(&mut self, row: &impl Serialize) -> Result<bool, ToolFault> {
        let mut row = serde_json::to_value(row).map_err(|_| ToolFault("The service has failed.".to_owned()))?;
        let mut bytes = row.to_string().len();
        if bytes > RESULT_BYTES {
            leave_out_long(&mut row);
            bytes = row.to_string().len();
        }
        if bytes > self.left && !self.rows.is_empty() {
            return Ok(false);
        }
        self.left = self.left.saturating_sub(bytes);
        self.rows.push(row);
        Ok(true)
    }
}

/// Replaces what is long in a value by a note.
fn leave_out_long(value: &mut Value) {
    let Value::Object(members) = value else { return };
    for member in members.values_mut() {
        if member.to_string().len() <= TEXT_LIMIT {
            continue;
        }
        match member {
            Value::Object(inner) if inner.contains_key("metadata") => leave_out_long(member),
            _ => *member = json!("(left out, because it is too long)"),
        }
    }
}

pub(super) async fn list_sessions(server: &Server, arguments: JsonObject) -> Result<Value, ToolFault> {
    let list = list(server, "list_sessions", arguments, &FILTERS)?;
    let filters = Filters::of(list.query(), server.now)?;
    let search_in = SearchIn::permitted(server.scopes);
    let page = find_many::page(&server.store, &filters, search_in, list.limit, list.after()?).await?;
    let sessions: Vec<Session> = page.found.into_iter().map(|found| found.session).collect();
    let cursors: Vec<AcrossCursor> = sessions.iter().map(AcrossCursor::from).collect();
    let shown = session::all_shown(&server.store, sessions, server.now).await?;
    let mut rows = Rows::new();
    for (index, session) in shown.iter().enumerate() {
        if !rows.push(session)? {
            let last = cursors.get(index - 1).copied();
            return Ok(json!({"sessions": rows.rows, "next_cursor": last.and_then(|last| list.cursor(&last))}));
        }
    }
    Ok(json!({"sessions": rows.rows, "next_cursor": page.next.and_then(|next| list.cursor(&next))}))
}

pub(super) async fn get_session(server: &Server, arguments: JsonObject) -> Result<Value, ToolFault> {
    let list = list(server, "get_session", arguments, &[once("session_id")])?;
    let session = session::find(&server.store, &required(&list, "session_id")?).await?;
    let single = session::single(&server.store, session, server.now).await?;
    let mut rows = Rows::new();
    rows.push(&single.body)?;
    Ok(rows.rows.pop().unwrap_or_default())
}

pub(super) async fn search_sessions(server: &Server, arguments: JsonObject) -> Result<Value, ToolFault> {
    let list = list(server, "search_sessions", arguments, &[once("q")])?;
    let text = filters::text(list.query())?.ok_or_else(|| invalid("q", SOUGHT))?;
    let (filters, search_in) = (Filters::of_text(text, server.now), SearchIn::permitted(server.scopes));
    let after = list.after()?;
    let page = search::list::page(&server.store, &filters, search_in, (list.limit, after), server.now).await?;
    let search::list::ResultPage { results, cursors, next } = page;
    let mut rows = Rows::new();
    for (index, result) in results.iter().enumerate() {
        if !rows.push(result)? {
            let last = cursors.get(index - 1).copied();
            return Ok(json!({"results": rows.rows, "next_cursor": last.and_then(|last| list.cursor(&last))}));
        }
    }
    Ok(json!({"results": rows.rows, "next_cursor": next.and_then(|next| list.cursor(&next))}))
}

/// A message in a result.
#[derive(Serialize)]
struct ReadMessage {
    event_number: i64,
    created_at: Milliseconds,
    #[serde(flatten)]
    message: ReaderMessage,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shortened: bool,
}

pub(super) async fn read_messages(server: &Server, arguments: JsonObject) -> Result<Value, ToolFault> {
    if !server.scopes.has(Scope::EventsRead) {
        return Err(ToolFault("The credential lacks the scope events:read.".to_owned()));
    }
    let list = list(server, "read_messages", arguments, &[once("session_id"), once("order")])?;
    let order = match list.query().text("order") {
        None | Some("oldest") => CreationOrder::Oldest,
        Some("newest") => CreationOrder::Newest,
        Some(_) => return Err(invalid("order", "must be oldest or newest").into()),
    };
    let session = session::find(&server.store, &required(&list, "session_id")?).await?;
    let limits = (list.limit, READ_BYTES);
    let page = events::list::page(&server.store, &session, order, list.after()?, limits).await?;
    let (mut rows, mut last) = (Rows::new(), None);
    for event in page.rows.iter().filter(|event| !event.hidden) {
        let messages = reading::messages(session.dialect, event).into_iter().map(|message| {
            let (message, shortened) = message.shortened(TEXT_LIMIT);
            ReadMessage { event_number: event.number, created_at: Milliseconds(event.created_at), message, shortened }
        });
        for message in messages {
            // The messages of an event stay together.
            let fits = rows.push(&message)? || last == Some(event.number);
            if !fits {
                return Ok(
                    json!({"messages": rows.rows, "next_cursor": last.and_then(|last: i64| list.cursor(&last))}),
                );
            }
            last = Some(event.number);
        }
    }
    let next = page.rows.last().filter(|_| page.cut).map(|event| event.number);
    Ok(json!({"messages": rows.rows, "next_cursor": next.and_then(|next| list.cursor(&next))}))
}
