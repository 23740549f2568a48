//! From a span to an event.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::contract::STORED_LIMIT;
use super::super::event::{EventDetail, Implied, grams};
use super::super::reading;
use super::attributes::{members, mended, text};
use super::conventions::identity::{Whose, identity};
use super::conventions::{Spoken, role};
use super::export::{Shared, Source};
use super::fit::{self, Shortening};
use super::time::Times;
use super::words::Side;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::trace::{Identity, Rank, Role, SpanFacts};
use crate::domain::{
    CaptureFacts, EventId, JsonField, JsonText, Mint, NewCapture, NewEvent, NewSpan, SpanForm, Timestamp, json,
};
use crate::http::Rejection;

/// Namespace of the UUIDv5 that stands for a trace and a span in it.
const SPANS: Uuid = Uuid::from_u128(0x5f1c_9a0e_6d3b_4f77_8b52_0d9e_64a1_7c02);

/// The id of a span's event.
pub fn event_of(trace: &[u8], span: &[u8]) -> EventId {
    EventId(Uuid::new_v5(&SPANS, &[trace, span].concat()))
}

/// The name of a trace's session, where nothing names another.
pub fn hex(trace: &[u8]) -> String {
    trace.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn is_id(bytes: &[u8], length: usize) -> bool {
    bytes.len() == length && bytes.iter().any(|byte| *byte != 0)
}

/// A span, apart from its attributes, and where what it shares is found.
pub struct Placed {
    pub span: Span,
    pub attributes: Vec<KeyValue>,
    pub source: usize,
    pub scope: usize,
    /// How many of its events were log records.
    pub logs: i32,
    /// Whether the span itself came, or only log records of it.
    pub is_span: bool,
    /// The revision of the stored span that this was made of.
    pub merged: Option<i32>,
}

/// What of a span is neither its input nor its output nor an attribute, as OTLP writes it in JSON.
#[derive(Serialize)]
struct SpanDetail<'a> {
    #[serde(flatten)]
    span: &'a Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a JsonText>,
}

/// What a span says, as an event says it.
struct SpanContent {
    role: Role,
    agent: Option<String>,
    name: String,
    /// The user's words, as they are read, and whether these are a person's.
    asked: Option<i64>,
    replied: bool,
    has_content: bool,
    content: String,
    result: JsonField,
    payload: JsonText,
}

impl Placed {
    /// Returns the span as an event; `None` where it does not fit one, however much of it is left out.
    ///
    /// # Errors
    /// [`Rejection::Internal`] when it cannot be written.
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
        let said = loop {
            match self.content(shared, times.claimed_timestamp, now)? {
                Some(said) => break said,
                None if shortening.next(&mut self.span, &mut self.attributes) => {}
                None => return Ok(None),
            }
        };

        let id = event_of(&self.span.trace_id, &self.span.span_id);
        let trace = hex(&self.span.trace_id);
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
            author_id: Some(said.name.clone()),
            content: Some(said.content).filter(|said| !said.is_empty()),
            payload: said.payload,
            hidden: false,
            at: now,
        };
        let Times { at, latency_ms, is_timed, .. } = times;
        let facts = CaptureFacts { at, name: said.name.clone(), success, latency_ms, is_timed };
        let grams = grams(&event, &said.result);
        let form = match (self.is_span, times.has_ended) {
            (false, _) => SpanForm::Logs,
            (true, false) => SpanForm::Started,
            (true, true) => SpanForm::Finished,
        };
        let facts_of_span = SpanFacts {
            id,
            parent,
            started: at,
            role: said.role,
            asked: said.asked,
            replied: said.replied,
            has_content: said.has_content,
            session,
            user,
            agent: said.agent.map(shortened),
            name: shortened(said.name),
        };
        let capture = NewCapture { session: implied.session()?, event, facts, grams };
        Ok(Some(NewSpan { capture, facts: facts_of_span, form, logs: self.logs, merged: self.merged }))
    }

    /// Returns what the span says; `None` where that takes more than [`STORED_LIMIT`].
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
                // smolagents calls the span of an agent `<agent>.run`.
                Role::Agent => {
                    strip(span_name.strip_suffix(".run").unwrap_or(&span_name), &["invoke_agent ", "agent run "])
                }
                _ => span_name.clone(),
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

    /// Returns why a span failed: its status, the exception that it recorded last, or what it is called.
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

/// Returns what a span does; `agnost.kind` (`turn`, `tool` or `span`) decides.
fn role_of(spoken: &Spoken<'_>) -> Role {
    match spoken.attributes.get("agnost.kind").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("turn") => Role::Turn,
        Some("tool") => Role::Tool,
        Some("span") => Role::Span,
        _ => role(spoken),
    }
}

/// Shortens a name to what is compared with those of other spans; the event has all of it.
fn shortened(mut name: String) -> String {
    const LIMIT: usize = 1_024;
    name.truncate(name.floor_char_boundary(LIMIT.min(name.len())));
    name
}

fn strip(name: &str, beginnings: &[&str]) -> String {
    let stripped = beginnings.iter().find_map(|beginning| name.strip_prefix(beginning));
    stripped.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(name).to_owned()
}

/// Returns a number that stands for a text, the same in every replica.
fn hash(text: &str) -> i64 {
    Uuid::new_v5(&SPANS, text.trim().as_bytes()).as_u64_pair().0 as i64
}

fn given(said: Option<String>) -> JsonField {
    said.map_or(JsonField::Absent, JsonField::String)
}
