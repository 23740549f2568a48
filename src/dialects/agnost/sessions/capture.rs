//! `POST /api/v1/capture-session` (docs/dialects/agnost.md).
//!
//! An event may have created the session before; its data are filled in then.

use axum::extract::{Request, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{BodyAllowance, Caller, purpose};
use crate::dialects::agnost::contract::{Capture, ID_LIMIT, STORED_LIMIT};
use crate::dialects::agnost::redaction::redacted;
use crate::dialects::agnost::sessions::implied::is_implied;
use crate::dialects::agnost::{Agnost, AgnostError, contract};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{Contract, DialectName, JsonField, JsonText, NewSession, SessionId, Timestamp};
use crate::http::{BODY_LIMIT, LargeBodies, Rejection, Reply, Sender, metered_json_bytes};
use crate::store::Created;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CaptureSession {
    /// The session's UUID, which every event of this conversation repeats.
    #[serde(default)]
    #[schema(value_type = uuid::Uuid, required = true)]
    session_id: JsonField,
    /// The end user. `user_id` is required; any other member is allowed.
    #[serde(default)]
    #[schema(value_type = Object, required = true)]
    user_data: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// Unix time in milliseconds when the session began; by default the server's time.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    timestamp: JsonField,
    /// Any label of the client.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client_config: JsonField,
    /// Sent by the vendor's clients.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    connection_type: JsonField,
    /// Sent by the vendor's clients.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    ip: JsonField,
    /// Sent by the vendor's clients.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    tools: JsonField,
}

#[derive(Serialize, ToSchema)]
pub struct Captured {
    /// The session's id as it was sent.
    #[schema(example = "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731")]
    session_id: String,
}

/// The end user, in either of the clients' spellings.
#[derive(Default, Deserialize)]
struct UserData {
    #[serde(default)]
    user_id: JsonField,
    #[serde(default, rename = "userId")]
    user_id_in_camel_case: JsonField,
}

/// The part of a session that only this dialect stores, as it was sent.
#[derive(Serialize)]
struct AgnostDetail<'a> {
    received_at: Milliseconds,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    user_data: &'a JsonField,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    client_config: &'a JsonField,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    connection_type: &'a JsonField,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    ip: &'a JsonField,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    tools: &'a JsonField,
}

impl Capture for CaptureSession {
    fn is_clients(&self) -> bool {
        [&self.connection_type, &self.ip, &self.tools].into_iter().any(|given| *given != JsonField::Absent)
    }
}

impl CaptureSession {
    fn check_documented(&self) -> Result<(), AgnostError> {
        match &self.session_id {
            JsonField::Absent | JsonField::Null => return Err(AgnostError::Invalid("session_id is required")),
            id if id.as_str().and_then(parse_hyphenated_uuid).is_none() => {
                return Err(AgnostError::Invalid("session_id must be a UUID"));
            }
            _ => {}
        }
        match &self.user_data {
            JsonField::Absent | JsonField::Null => return Err(AgnostError::Invalid("user_data is required")),
            JsonField::Object(_) if self.user_id().is_none_or(|user| user.is_empty()) => {
                return Err(AgnostError::Invalid("user_data.user_id must be a non-empty string"));
            }
            JsonField::Object(_) => {}
            _ => return Err(AgnostError::Invalid("user_data must be an object")),
        }
        if !matches!(self.metadata, JsonField::Absent | JsonField::Null | JsonField::Object(_)) {
            return Err(AgnostError::Invalid("metadata must be an object"));
        }
        if !self.timestamp.is_missing() {
            contract::moment(&self.timestamp)?;
        }
        if !matches!(self.client_config, JsonField::Absent | JsonField::Null | JsonField::String(_)) {
            return Err(AgnostError::Invalid("client_config must be a string"));
        }
        Ok(())
    }

    fn check_observed(&self) -> Result<(), AgnostError> {
        match self.session_id.as_str() {
            Some(id) if !id.is_empty() && id.len() <= ID_LIMIT => Ok(()),
            _ => Err(AgnostError::Invalid("session_id must be a string of 1 to 2048 bytes")),
        }
    }

    /// Returns the documented `user_id`, or `None` if it is not a string.
    fn user_id(&self) -> Option<String> {
        match self.user().user_id {
            JsonField::String(user) => Some(user),
            _ => None,
        }
    }

    /// Returns the user in either spelling, with any value as text. Returns `None` for an empty text, which the clients
    /// send without a user.
    fn any_user_id(&self) -> Option<String> {
        let user = self.user();
        [user.user_id, user.user_id_in_camel_case].into_iter().find_map(|given| match given {
            JsonField::Absent | JsonField::Null => None,
            JsonField::String(text) => Some(text).filter(|text| !text.is_empty()),
            other => other.to_json().map(|json| json.as_str().to_owned()),
        })
    }

    fn user(&self) -> UserData {
        match &self.user_data {
            JsonField::Object(object) => object.read().unwrap_or_default(),
            _ => UserData::default(),
        }
    }

    /// Returns when the session began. A time more than a day after the capture's arrival is replaced by the arrival.
    fn began(&self, now: Timestamp) -> Option<Timestamp> {
        contract::moment(&self.timestamp).ok().map(|at| if contract::filed(at, now).1.is_some() { now } else { at })
    }

    fn metadata(&self) -> Option<JsonText> {
        match &self.metadata {
            JsonField::Absent | JsonField::Null => None,
            JsonField::Object(metadata) => Some(redacted(metadata)),
            other => other.to_json().map(|json| json.into_owned()),
        }
    }
}

/// Capture session
///
/// Starts a session. A repeated `session_id` has the same response and leaves the first data unchanged, so
/// `Idempotency-Key` is not needed and is ignored.
#[utoipa::path(
    post,
    path = "/api/v1/capture-session",
    request_body = CaptureSession,
    security(("org_id" = []), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Session created.", body = Captured),
        (status = 413, description = "A body has at most 2 MiB, with `x-org-id` alone 256 KiB."),
        (status = 429, description = "Too many bytes in a minute with `x-org-id` alone, or too many large bodies in progress."),
    )
)]
#[tracing::instrument(name = "agnost.capture_session", level = "debug", skip_all)]
pub async fn capture_session(
    caller: Caller<Agnost, purpose::Capture>,
    allowance: BodyAllowance,
    State(configured): State<Contract>,
    State(bodies): State<LargeBodies>,
    request: Request,
) -> Result<Reply<Captured>, AgnostError> {
    let mut allowance = allowance.of(&caller.principal);
    let mut body = bodies.maybe(Sender::of(&caller.principal));
    let limit = allowance.body_limit(BODY_LIMIT);
    let bytes = metered_json_bytes(request, limit, &mut (&mut allowance, &mut body)).await?;
    let (now, nonce) = (caller.now(), caller.mint.uuid());
    let (session, began) = body.run(move || read(&bytes, configured, now, nonce)).await??;
    match caller.store.sessions().create(session.clone()).await? {
        Created::New | Created::Recovered(_) => {}
        Created::Existing(existing) => {
            if is_implied(&existing) {
                caller.store.captures().fill_in(&session, began).await?;
            }
        }
        // Does not happen, because these sessions have no agent.
        Created::NoSuchAgent => return Err(Rejection::Internal.into()),
    }
    Ok(Reply(StatusCode::OK, Captured { session_id: session.public_id }))
}

/// Reads a capture. Returns the session, and when it began if the capture has a timestamp.
fn read(
    bytes: &[u8],
    configured: Contract,
    now: Timestamp,
    nonce: Uuid,
) -> Result<(NewSession, Option<Timestamp>), AgnostError> {
    let (capture, contract) = contract::read::<CaptureSession>(bytes, configured)?;
    match contract {
        Contract::Documented => capture.check_documented()?,
        Contract::Observed => capture.check_observed()?,
    }
    let session_id = capture.session_id.as_str().unwrap_or_default();
    let detail = AgnostDetail {
        received_at: Milliseconds(now),
        user_data: &capture.user_data,
        client_config: &capture.client_config,
        connection_type: &capture.connection_type,
        ip: &capture.ip,
        tools: &capture.tools,
    };
    let metadata = capture.metadata();
    if metadata.as_ref().is_some_and(|metadata| metadata.as_str().len() > STORED_LIMIT) {
        return Err(AgnostError::EventTooLarge(STORED_LIMIT));
    }
    let began = capture.began(now);
    let session = NewSession {
        kind: capture.connection_type.as_str().filter(|kind| !kind.is_empty()).map(str::to_owned),
        user_id: capture.any_user_id(),
        metadata,
        detail: contract::stored(&detail)?,
        ..NewSession::of(
            DialectName::Agnost,
            SessionId::from_agnost(session_id),
            session_id.to_owned(),
            began.unwrap_or(now),
            nonce,
        )
    };
    Ok((session, began))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(body: &str) -> Contract {
        contract::read::<CaptureSession>(body.as_bytes(), Contract::Documented).unwrap().1
    }

    /// One body per client version, each reduced to the members that it sends (docs/dialects/agnost.md).
    #[test]
    fn the_vendors_clients_are_recognised() {
        for (client, body) in [
            (
                "agnost 0.1.13 (Python)",
                r#"{"session_id":"conv_abc","user_data":{"user_id":"u"},"client_config":"conversation_sdk","connection_type":"sdk","ip":""}"#,
            ),
            (
                "agnost 0.1.12 (Python)",
                r#"{"session_id":"conv_abc","user_data":{"userId":"u"},"client_config":"conversation_sdk","connection_type":"sdk","ip":""}"#,
            ),
            (
                "agnost-mcp 0.2.0 (Python)",
                r#"{"session_id":"x","user_data":null,"client_config":"default","connection_type":"","ip":"","tools":["a"]}"#,
            ),
            (
                "agnostai 0.1.2 (npm)",
                r#"{"session_id":"conv_1","user_data":{"user_id":"u"},"client_config":"conversation_sdk","connection_type":"sdk","ip":""}"#,
            ),
            (
                "agnost 0.2.1 (npm)",
                r#"{"session_id":"oauth:o:t","client_config":"unidentified_client","connection_type":"http","ip":"","tools":["a"]}"#,
            ),
            ("agnost-go", r#"{"session_id":"x","client_config":"mcp-go-client","connection_type":"","ip":""}"#),
        ] {
            assert_eq!(contract(body), Contract::Observed, "{client}");
        }
        assert_eq!(
            contract(r#"{"session_id":"x","user_data":{"user_id":"u"},"client_config":"mine"}"#),
            Contract::Documented
        );
    }
}
