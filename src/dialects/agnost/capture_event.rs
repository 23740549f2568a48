//! `POST /api/v1/capture-event` (docs/dialects/agnost.md).
//!
//! Events come before their sessions, children before their parents, and the same event more than once. None of that
//! is an error: the session is made, the parent may come, and the event is there once.

use axum::extract::{Request, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::contract::{self, Capture, ID_LIMIT};
use super::event::{EventDetail, Implied, Kind, event_id, grams};
use super::redaction::redacted;
use super::{Agnost, AgnostError, reading};
use crate::auth::{BodyAllowance, Caller, purpose};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{CaptureFacts, Contract, JsonField, JsonText, Mint, NewCapture, NewEvent, SessionId, Timestamp};
use crate::http::{BODY_LIMIT, LargeBodies, Reply, Sender, metered_json_bytes};

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CaptureEvent {
    /// Made by the client, so that children can name their parent before it is there. The same id again is the same
    /// event.
    #[serde(default)]
    #[schema(value_type = uuid::Uuid, required = true)]
    event_id: JsonField,
    /// The conversation's id.
    #[serde(default)]
    #[schema(value_type = uuid::Uuid, required = true)]
    session_id: JsonField,
    /// The agent that replied, or the tool that was called.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    primitive_name: JsonField,
    /// The user's message, or a tool's arguments as JSON.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    args: JsonField,
    /// The agent's reply, or what the tool returned.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    result: JsonField,
    /// `true` when absent.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    success: JsonField,
    /// Milliseconds.
    #[serde(default)]
    #[schema(value_type = i64, required = true)]
    latency: JsonField,
    /// Unix time in milliseconds; the server's time when absent.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    timestamp: JsonField,
    /// The turn, or the tool, that made this call.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    parent_id: JsonField,
    /// Free. Credentials among its `headers` are not kept.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// Sent by the vendor's clients: `tool`, `resource` or `prompt`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    primitive_type: JsonField,
    /// Sent by the vendor's clients: named moments of a call, in milliseconds from its beginning.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    checkpoints: JsonField,
    /// Sent by the vendor's clients, and not looked at: the header or the credential decides.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    org_id: JsonField,
}

impl Capture for CaptureEvent {
    fn is_clients(&self) -> bool {
        [&self.primitive_type, &self.checkpoints, &self.org_id].into_iter().any(|given| *given != JsonField::Absent)
    }
}

#[derive(Serialize, ToSchema)]
pub struct CapturedEventId {
    /// The event's id, as it was sent, or the one that it was given.
    #[schema(example = "6f1c2f0e-3b1d-4c55-9d0b-2a7f5e8c1a90")]
    event_id: String,
}

impl CaptureEvent {
    fn hold_to_the_page(&self) -> Result<(), AgnostError> {
        let uuid = |given: &JsonField, missing, wrong| match given {
            JsonField::Absent | JsonField::Null => Err(AgnostError::Invalid(missing)),
            id if id.as_str().and_then(parse_hyphenated_uuid).is_none() => Err(AgnostError::Invalid(wrong)),
            _ => Ok(()),
        };
        uuid(&self.event_id, "event_id is required", "event_id must be a UUID")?;
        uuid(&self.session_id, "session_id is required", "session_id must be a UUID")?;
        if !self.parent_id.is_missing() {
            uuid(&self.parent_id, "", "parent_id must be a UUID")?;
        }
        if self.primitive_name.as_str().is_none_or(str::is_empty) {
            return Err(AgnostError::Invalid("primitive_name must be a non-empty string"));
        }
        if self.args.as_str().is_none() {
            return Err(AgnostError::Invalid("args must be a string"));
        }
        if self.result.as_str().is_none() {
            return Err(AgnostError::Invalid("result must be a string"));
        }
        if self.latency.as_i64().is_none_or(i64::is_negative) {
            return Err(AgnostError::Invalid("latency must be an integer of milliseconds, 0 or more"));
        }
        self.hold_to_both()
    }

    fn hold_to_the_clients(&self) -> Result<(), AgnostError> {
        let fits = |text: &str| text.len() <= ID_LIMIT;
        if self.session_id.as_str().is_none_or(|id| id.is_empty() || !fits(id)) {
            return Err(AgnostError::Invalid("session_id must be a string of 1 to 2048 bytes"));
        }
        if !(self.event_id.is_missing() || self.event_id.as_str().is_some_and(fits)) {
            return Err(AgnostError::Invalid("event_id must be a string of at most 2048 bytes"));
        }
        if !(self.parent_id.is_missing() || self.parent_id.as_str().is_some_and(fits)) {
            return Err(AgnostError::Invalid("parent_id must be a string of at most 2048 bytes"));
        }
        if self.primitive_name.as_str().is_none() {
            return Err(AgnostError::Invalid("primitive_name must be a string"));
        }
        if !self.latency.is_missing() && self.latency_ms().is_none() {
            return Err(AgnostError::Invalid("latency must be a number of milliseconds, 0 or more"));
        }
        self.hold_to_both()
    }

    fn hold_to_both(&self) -> Result<(), AgnostError> {
        if !matches!(self.success, JsonField::Absent | JsonField::Null | JsonField::Bool(_)) {
            return Err(AgnostError::Invalid("success must be a boolean"));
        }
        if !self.timestamp.is_missing() {
            contract::moment(&self.timestamp)?;
        }
        if !matches!(self.metadata, JsonField::Absent | JsonField::Null | JsonField::Object(_)) {
            return Err(AgnostError::Invalid("metadata must be an object"));
        }
        Ok(())
    }

    /// Whole milliseconds, where it says any; a client may measure fractions.
    fn latency_ms(&self) -> Option<i64> {
        match &self.latency {
            JsonField::Number(number) => {
                let latency: f64 = number.read().ok()?;
                (latency >= 0.0).then(|| latency.round() as i64)
            }
            _ => None,
        }
    }

    fn metadata(&self) -> Option<JsonText> {
        match &self.metadata {
            JsonField::Object(metadata) => Some(redacted(metadata)),
            _ => None,
        }
    }
}

/// Capture event
///
/// Stores a turn or a call. Called again with the same `event_id` it returns the same and stores nothing, so an
/// `Idempotency-Key` is not needed and not looked at. The session need not be there yet.
#[utoipa::path(
    post,
    path = "/api/v1/capture-event",
    request_body = CaptureEvent,
    security(("org_id" = []), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Event captured.", body = CapturedEventId),
        (status = 413, description = "A body has at most 2 MiB, with `x-org-id` alone 256 KiB."),
        (status = 429, description = "Too many bytes in a minute with `x-org-id` alone, or too many large bodies in progress."),
    )
)]
#[tracing::instrument(name = "agnost.capture_event", level = "debug", skip_all)]
pub async fn capture_event(
    caller: Caller<Agnost, purpose::Capture>,
    allowance: BodyAllowance,
    State(configured): State<Contract>,
    State(bodies): State<LargeBodies>,
    request: Request,
) -> Result<Reply<CapturedEventId>, AgnostError> {
    let mut allowance = allowance.of(&caller.principal);
    let mut body = bodies.maybe(Sender::of(&caller.principal));
    let limit = allowance.body_limit(BODY_LIMIT);
    let bytes = metered_json_bytes(request, limit, &mut (&mut allowance, &mut body)).await?;
    let (now, mint) = (caller.now(), caller.mint.clone());
    let (event_id, capture) = body.run(move || read(&bytes, configured, now, &mint)).await??;
    caller.store.captures().append(capture).await?;
    Ok(Reply(StatusCode::OK, CapturedEventId { event_id }))
}

/// Reads a capture. Returns the event's id, as it is sent back, and what is written down.
fn read(bytes: &[u8], configured: Contract, now: Timestamp, mint: &Mint) -> Result<(String, NewCapture), AgnostError> {
    let (capture, contract) = contract::read::<CaptureEvent>(bytes, configured)?;
    match contract {
        Contract::Documented => capture.hold_to_the_page()?,
        Contract::Observed => capture.hold_to_the_clients()?,
    }

    let session_id = capture.session_id.as_str().unwrap_or_default();
    let session = SessionId::from_agnost(session_id);
    let sent_id = capture.event_id.as_str().filter(|id| !id.is_empty());
    let public_id = sent_id.map_or_else(|| mint.uuid().to_string(), str::to_owned);
    let parent = capture.parent_id.as_str().filter(|id| !id.is_empty());
    let sent_at = if capture.timestamp.is_missing() { now } else { contract::moment(&capture.timestamp)? };
    let (at, claimed_timestamp) = contract::filed(sent_at, now);
    let name = capture.primitive_name.as_str().unwrap_or_default();
    let detail = EventDetail {
        received_at: Milliseconds(now),
        args: &capture.args,
        result: &capture.result,
        metadata: capture.metadata(),
        primitive_type: &capture.primitive_type,
        checkpoints: &capture.checkpoints,
        parent_id: parent.filter(|id| parse_hyphenated_uuid(id).is_none()),
        span: None,
        claimed_timestamp,
    };
    let implied = Implied {
        session_id,
        at: at.min(now),
        connection_type: None,
        client_config: None,
        user_id: None,
        nonce: mint.uuid(),
    };
    let said = reading::input(&capture.args);
    let event = NewEvent {
        id: event_id(session, &public_id),
        public_id: parse_hyphenated_uuid(&public_id)
            .is_none_or(|id| id.to_string() != public_id)
            .then(|| public_id.clone()),
        parent: parent.map(|id| event_id(session, id)),
        kind: Kind::of(&capture.primitive_type, parent.is_some()).as_str().to_owned(),
        author_id: Some(name.to_owned()),
        content: Some(said).filter(|said| !said.is_empty()),
        payload: contract::stored(&detail)?,
        hidden: false,
        at: now,
    };
    let latency = capture.latency_ms();
    let facts = CaptureFacts {
        at,
        name: name.to_owned(),
        success: capture.success != JsonField::Bool(false),
        latency_ms: latency.unwrap_or_default(),
        is_timed: latency.is_some_and(CaptureFacts::is_plausible),
    };
    let grams = grams(&event, &capture.result);
    Ok((public_id, NewCapture { session: implied.session()?, event, facts, grams }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract_of(body: &str) -> Contract {
        contract::read::<CaptureEvent>(body.as_bytes(), Contract::Documented).unwrap().1
    }

    /// One body per client, each reduced to the members that it sends (docs/dialects/agnost.md).
    #[test]
    fn the_vendors_clients_are_recognised() {
        for (client, body) in [
            (
                "agnost 0.1.13 and 0.1.12 (Python)",
                r#"{"event_id":"x","session_id":"s","primitive_type":"","primitive_name":"default","args":"\"hi\"","result":"","success":true,"latency":1,"metadata":{"event_type":""}}"#,
            ),
            (
                "agnost-mcp 0.2.0 (Python)",
                r#"{"org_id":"o","session_id":"s","primitive_type":"tool","primitive_name":"add","args":"{\"tool\":\"add\"}","result":"5","success":true,"latency":1}"#,
            ),
            (
                "agnostai 0.1.2 (npm)",
                r#"{"event_id":"req-1","session_id":"conv_1","primitive_type":"","primitive_name":"a","args":"{\"input\":\"x\"}","result":"{\"output\":\"y\"}","success":true,"latency":1,"metadata":{"event_type":""}}"#,
            ),
            (
                "agnost 0.2.1 (npm)",
                r#"{"org_id":"o","session_id":"s","primitive_type":"tool","primitive_name":"add","args":"","result":"{}","success":true,"latency":1,"checkpoints":[]}"#,
            ),
            (
                "agnost-go",
                r#"{"session_id":"s","primitive_type":"tool","primitive_name":"add","success":true,"latency":1}"#,
            ),
        ] {
            assert_eq!(contract_of(body), Contract::Observed, "{client}");
        }
        assert_eq!(
            contract_of(r#"{"event_id":"e","session_id":"s","primitive_name":"a","args":"","result":"","latency":0}"#),
            Contract::Documented
        );
    }
}
