//! Converts a span to an event.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::contract::STORED_LIMIT;
use super::super::events::event::{EventDetail, grams};
use super::super::reading;
use super::super::sessions::implied::Implied;
use super::attributes::{members, mended, text};
use super::conventions::identity::{Whose, identity};
use super::conventions::{Spoken, role};
use super::fit::{self, Shortening};
use super::shared::{Shared, Source};
use super::time::Times;
use super::words::Side;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::trace::{Identity, Rank, Role, SpanFacts};
use crate::domain::{
    CaptureFacts, EventId, JsonField, JsonText, Mint, NewCapture, NewEvent, NewSpan, SpanForm, Timestamp, json,
};
use crate::http::Rejection;

/// The namespace of the UUIDv5 of a trace and one of its spans.
const SPANS: Uuid = Uuid::from_u128(0x5f1c_9a0e_6d3b_4f77_8b52_0d9e_64a1_7c02);

/// Returns the id of a span's event.
pub fn event_of(trace: &[u8], span: &[u8]) -> EventId {
    EventId(Uuid::new_v5(&SPANS, &[trace, span].concat()))
}

/// Returns whether these bytes are an id: of this length, and not all zero.
pub fn is_id(bytes: &[u8], length: usize) -> bool {
    bytes.len() == length && bytes.iter().any(|byte| *byte != 0)
}

/// A span without its attributes, its attributes, and the indices of its resource and its scope.
pub struct Placed {
    pub span: Span,
    pub attributes: Vec<KeyValue>,
    pub source: usize,
    pub scope: usize,
    /// The number of its events that were log records.
    pub logs: i32,
    /// Whether the span itself has arrived, and not only log records of it.
    pub is_span: bool,
    /// The revision of the stored span that was merged into this one.
    pub merged: Option<i32>,
}

/// A span without its attributes, as OTLP writes it in JSON, with its resource and its scope.
#[derive(Serialize)]
struct SpanDetail<'a> {
    #[serde(flatten)]
    span: &'a Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a JsonText>,
}

/// The content of a span, in terms of an event.
struct SpanContent {
    role: Role,
    agent: Option<String>,
    name: String,
    /// The hash of the user's message, if the input is one.
    asked: Option<i64>,
    replied: bool,
    has_content: bool,
    content: String,
    result: JsonField,
    payload: JsonText,
}

impl Placed {
    /// Returns the span as an event, or `None` if it is too large even after shortening.
    ///
    /// # Errors
    /// [`Rejection::Internal`] if it cannot be written.
    pub fn capture(mut self, shared: &Shared, now: Timestamp, mint: &Mint) -> Result<Option<NewSpan>, Rejection> {
        let source = shared.sources.get(self.source);
        let attributes = members(&self.attributes);
        let identified = |whose, of_source: fn(&Source) -> &Option<String>| {
            let of_resource = || Some(Identity { id: of_source(source?).clone()?, rank: Rank::Resource });
            identity(&attributes, whose).or_else(of_resource)
        };
        let session = identified(Whose::Session, |source| &source.session);
        let user = identified(Whose::User, |source| &source.user);
        drop(attributes);
        let parent = Some(&self.span.parent_span_id).filter(|id| is_id(id, 8));
        let parent = parent.map(|parent| event_of(&self.span.trace_id, parent));
        let success = self.span.status.as_ref().is_none_or(|status| status.code != StatusCode::Error as i32);
        let times = Times::of(self.span.start_time_unix_nano, self.span.end_time_unix_nano, now);

        let mut shortening = Shortening::default();
        let content = loop {
            match self.content(shared, times.claimed_timestamp, now)? {
                Some(content) => break content,
                None if shortening.next(&mut self.span, &mut self.attributes) => {}
                None => return Ok(None),
            }
        };

        let id = event_of(&self.span.trace_id, &self.span.span_id);
        let trace = hex::encode(&self.span.trace_id);
        let implied = Implied {
            session_id: &trace,
            at: times.at.min(now),
            connection_type: Some("otlp"),
            client_config: source.and_then(|source| source.service.as_deref()),
            user_id: None,
            nonce: mint.uuid(),
        };
        let event = NewEvent {
            id,
            public_id: None,
            parent,
            kind: "span".to_owned(),
            author_id: Some(content.name.clone()),
            content: Some(content.content).filter(|text| !text.is_empty()),
            payload: content.payload,
            hidden: false,
            at: now,
        };
        let Times { at, latency_ms, is_timed, .. } = times;
        let facts = CaptureFacts { at, name: content.name.clone(), success, latency_ms, is_timed };
        let grams = grams(&event, &content.result);
        let form = match (self.is_span, times.has_ended) {
            (false, _) => SpanForm::Logs,
            (true, false) => SpanForm::Started,
            (true, true) => SpanForm::Finished,
        };
        let facts_of_span = SpanFacts {
            id,
            parent,
            started: at,
            role: content.role,
            asked: content.asked,
            replied: content.replied,
            has_content: content.has_content,
            session,
            user,
            agent: content.agent.map(shortened),
            name: shortened(content.name),
        };
        let capture = NewCapture { session: implied.session()?, event, facts, grams };
        Ok(Some(NewSpan { capture, facts: facts_of_span, form, logs: self.logs, merged: self.merged }))
    }

    /// Returns the content of the span, or `None` if it needs more than [`STORED_LIMIT`] bytes.
    fn content(
        &self,
        shared: &Shared,
        claimed_timestamp: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<SpanContent>, Rejection> {
        let attributes = members(&self.attributes);
        let span_name = mended(&self.span.name);
        let spoken = Spoken {
            name: &span_name,
            scope: shared.scopes.get(self.scope).map_or("", |scope| scope.name.as_str()),
            kind: self.span.kind,
            attributes: &attributes,
            events: &self.span.events,
        };
        let role = role_of(&spoken);
        let agent = spoken.agent();
        let is_tool = role == Role::Tool;
        let name = if is_tool {
            let named = spoken.tool();
            named.unwrap_or_else(|| strip(&span_name, &["tool.", "execute_tool "]))
        } else {
            agent.clone().unwrap_or_else(|| match role {
                // smolagents names the span of an agent `<agent>.run`.
                Role::Agent => {
                    strip(span_name.strip_suffix(".run").unwrap_or(&span_name), &["invoke_agent ", "agent run "])
                }
                _ => without_ids(&span_name),
            })
        };
        let (input, output) = if is_tool {
            (spoken.passed(Side::Input), spoken.passed(Side::Output))
        } else {
            let speech = |side| spoken.words(side);
            let (input, output) = (speech(Side::Input), speech(Side::Output));
            let asked = input.as_ref().filter(|words| words.is_speech).map(|words| hash(&words.text));
            let replied = output.as_ref().is_some_and(|words| words.is_speech);
            let has_content = input.is_some() || output.is_some();
            let texts = (input.map(|words| words.text), output.map(|words| words.text));
            return self.written(shared, claimed_timestamp, now, attributes, texts, |content, result, payload| {
                SpanContent { role, agent, name, asked, replied, has_content, content, result, payload }
            });
        };
        let has_content = input.is_some() || output.is_some();
        self.written(shared, claimed_timestamp, now, attributes, (input, output), |content, result, payload| {
            SpanContent { role, agent, name, asked: None, replied: false, has_content, content, result, payload }
        })
    }

    fn written(
        &self,
        shared: &Shared,
        claimed_timestamp: Option<i64>,
        now: Timestamp,
        attributes: Map<String, Value>,
        (input, output): (Option<String>, Option<String>),
        content_of: impl FnOnce(String, JsonField, JsonText) -> SpanContent,
    ) -> Result<Option<SpanContent>, Rejection> {
        let args = given(input);
        let result = given(output.or_else(|| self.failure(&attributes)));
        let detail = SpanDetail {
            span: &self.span,
            resource: shared.sources.get(self.source).and_then(|source| source.resource.as_ref()),
            scope: shared.scopes.get(self.scope).and_then(|scope| scope.json.as_ref()),
        };
        let Some(span) = fit::written(&detail, STORED_LIMIT)? else { return Ok(None) };
        let Some(metadata) = fit::written(&attributes, STORED_LIMIT)? else { return Ok(None) };
        drop(attributes);
        let detail = EventDetail {
            received_at: Milliseconds(now),
            args: &args,
            result: &result,
            metadata: Some(metadata),
            primitive_type: &JsonField::Absent,
            checkpoints: &JsonField::Absent,
            parent_id: None,
            span: Some(span),
            claimed_timestamp,
        };
        let Some(payload) = json::within(&detail, STORED_LIMIT).map_err(|_| Rejection::Internal)? else {
            return Ok(None);
        };
        let content = reading::input(&args);
        Ok(Some(content_of(content, result, payload)))
    }

    /// Returns why a span failed: the message of its status or of its last recorded exception, or else the type of the
    /// exception.
    fn failure(&self, attributes: &Map<String, Value>) -> Option<String> {
        const MESSAGES: [&str; 4] = [
            "exception.message",
            "error.message",
            "langfuse.observation.status_message",
            "langfuse.observation.statusMessage",
        ];
        const TYPES: [&str; 2] = ["exception.type", "error.type"];
        let status = self.span.status.as_ref().filter(|status| status.code == StatusCode::Error as i32)?;
        let first = |object: &Map<String, Value>, names: &[&str]| {
            names.iter().filter_map(|name| object.get(*name)).map(text).find(|text| !text.trim().is_empty())
        };
        let exceptions = || {
            let recorded = self.span.events.iter().rev().filter(|event| event.name == "exception");
            recorded.map(|event| members(&event.attributes))
        };
        Some(mended(&status.message))
            .filter(|message| !message.trim().is_empty())
            .or_else(|| exceptions().find_map(|object| first(&object, &MESSAGES)))
            .or_else(|| first(attributes, &MESSAGES))
            .or_else(|| exceptions().find_map(|object| first(&object, &TYPES)))
            .or_else(|| first(attributes, &TYPES))
    }
}

/// Returns the role of a span: that of `agnost.kind` (`turn`, `tool` or `span`), or else that of the conventions.
fn role_of(spoken: &Spoken<'_>) -> Role {
    match spoken.attributes.get("agnost.kind").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("turn") => Role::Turn,
        Some("tool") => Role::Tool,
        Some("span") => Role::Span,
        _ => role(spoken),
    }
}

/// Shortens a name for comparison with those of other spans. The event stores the whole name.
fn shortened(mut name: String) -> String {
    const LIMIT: usize = 1_024;
    name.truncate(name.floor_char_boundary(LIMIT.min(name.len())));
    name
}

fn strip(name: &str, beginnings: &[&str]) -> String {
    let stripped = beginnings.iter().find_map(|beginning| name.strip_prefix(beginning));
    stripped.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(name).to_owned()
}

/// Returns a name without its UUIDs, because they differ in each call: `Crew_<UUID>.kickoff`. Long names are returned as
/// they are, so that the cost is bounded.
fn without_ids(name: &str) -> String {
    const LENGTH: usize = 36;
    const MAX_NAME: usize = 256;
    if name.len() > MAX_NAME {
        return name.to_owned();
    }
    let mut rest = name.to_owned();
    let id_at = |text: &str| {
        (0..text.len()).find(|at| text.get(*at..at + LENGTH).is_some_and(|id| parse_hyphenated_uuid(id).is_some()))
    };
    while let Some(at) = id_at(&rest) {
        let before = rest[..at].trim_end_matches(['_', '-', ':', '/', '.', ' ', '#']).len();
        rest.replace_range(before..at + LENGTH, "");
    }
    let rest = rest.trim();
    if rest.is_empty() { name.to_owned() } else { rest.to_owned() }
}

/// Returns a hash of a text that is the same in every replica.
fn hash(text: &str) -> i64 {
    Uuid::new_v5(&SPANS, text.trim().as_bytes()).as_u64_pair().0 as i64
}

fn given(text: Option<String>) -> JsonField {
    text.map_or(JsonField::Absent, JsonField::String)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_no_part_of_a_name() {
        const ID: &str = "2c36f2a5-5eac-4003-8d72-0e489efb2982";
        for (name, expected) in [
            (format!("Crew_{ID}.kickoff"), "Crew.kickoff"),
            (format!("run {ID}"), "run"),
            (format!("{ID}/{ID} é"), "é"),
            (ID.to_owned(), ID),
            ("POST /api/chat".to_owned(), "POST /api/chat"),
            ("é".repeat(40), &"é".repeat(40)),
            (ID.repeat(8), &ID.repeat(8)),
        ] {
            assert_eq!(without_ids(&name), expected);
        }
    }
}
