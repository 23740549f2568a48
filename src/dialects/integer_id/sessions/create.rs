//! `POST /api/v1/sessions` (docs/dialects/integer-id.md).

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::sessions::session::{AvatarMembers, IntegerIdDetail, Metadata, Status};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::time::Seconds;
use crate::domain::{AgentNumber, AgentRef, DialectName, JsonField, JsonText, NewSession, SessionId, SessionNumber};
use crate::http::{Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::{Created, Series};

/// UTF-16 code units of the metadata's compact form; the vendor documents no limit.
const METADATA_LIMIT: usize = 65_536;
/// The default of the vendor's page, although it is not one of the four values that the page lists. The three short
/// words are accepted because of it.
const DEFAULT_TYPE: &str = "voice";
const TYPES: [&str; 7] = ["agent_voice", "agent_video", "agent_chat", "webrtc_video", "voice", "video", "chat"];

#[derive(Deserialize, ToSchema)]
pub struct CreateSession {
    /// The agent to start a session with.
    #[serde(default)]
    #[schema(value_type = i64, required = true)]
    agent_id: JsonField,
    /// `agent_voice`, `agent_video`, `agent_chat` or `webrtc_video`; also `voice` (the default), `video` and `chat`.
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "voice")]
    session_type: JsonField,
    /// At most 65,536 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
}

/// A session that was started.
#[derive(Serialize, ToSchema)]
pub struct Started {
    success: bool,
    session: StartedSession,
    #[schema(example = "Session started successfully")]
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
struct StartedSession {
    #[schema(example = 456)]
    session_id: i64,
    #[schema(example = 123)]
    agent_id: i64,
    #[schema(example = "Sales Support Agent")]
    agent_name: String,
    #[schema(example = "agent_voice")]
    session_type: String,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    started_at: Seconds,
    #[schema(value_type = Option<Object>)]
    metadata: Metadata,
    #[serde(flatten)]
    avatar: AvatarMembers,
}

struct ValidatedCreateSession {
    agent: AgentNumber,
    session_type: String,
    metadata: Metadata,
}

impl CreateSession {
    fn validate(self) -> Result<ValidatedCreateSession, IntegerIdError> {
        let invalid = IntegerIdError::Invalid;
        let agent = match &self.agent_id {
            JsonField::Absent | JsonField::Null => return Err(invalid("agent_id is required")),
            // A number beyond 64 bits is still an integer, so it is 404 and not 400.
            given if given.as_i64().is_some() => given.as_i64(),
            JsonField::Number(number) if number.as_str().bytes().all(|b| b == b'-' || b.is_ascii_digit()) => None,
            _ => return Err(invalid("agent_id must be an integer")),
        };
        let session_type = match self.session_type {
            JsonField::Absent | JsonField::Null => DEFAULT_TYPE.to_owned(),
            JsonField::String(given) if TYPES.contains(&given.as_str()) => given,
            _ => return Err(invalid("Invalid session_type")),
        };
        let metadata = metadata(self.metadata)?;
        // No agent has a number outside of 1..=2^53.
        let agent = agent.and_then(AgentNumber::new).ok_or(IntegerIdError::AgentNotFound)?;
        Ok(ValidatedCreateSession { agent, session_type, metadata })
    }
}

/// Returns validated metadata, or `None` if it is absent or null.
///
/// # Errors
/// [`IntegerIdError::Invalid`] if it is not an object, or is too long.
pub(in crate::dialects::integer_id) fn metadata(given: JsonField) -> Result<Metadata, IntegerIdError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(None),
        JsonField::Object(object) if object.utf16_len() <= METADATA_LIMIT => Ok(Some(object)),
        JsonField::Object(_) => Err(IntegerIdError::Invalid("metadata must not exceed 65536 characters")),
        _ => Err(IntegerIdError::Invalid("metadata must be an object")),
    }
}

/// Create session
///
/// Starts the session at once; there is no separate start. The response has the agent's current avatar.
#[utoipa::path(
    post,
    path = "/api/v1/sessions",
    params(IdempotencyKeyHeader),
    request_body = CreateSession,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Session started.", body = Started),
        (status = 404, description = "No such agent in this organization, or an archived one."),
    )
)]
pub async fn create_session(
    caller: Caller<IntegerId, purpose::WriteSessions>,
    request: Idempotent<IntegerId, CreateSession>,
) -> Response {
    request.respond(caller, create).await
}

/// Numbers that a create tries.
const MAX_NUMBERS: usize = 1_000;

#[tracing::instrument(name = "integer_id.create_session", level = "debug", skip_all)]
async fn create(
    caller: Caller<IntegerId, purpose::WriteSessions>,
    body: CreateSession,
) -> Result<Reply<Started>, IntegerIdError> {
    let new = body.validate()?;
    let agent = caller
        .store
        .agents()
        .find(&AgentRef::Number(new.agent))
        .await?
        .filter(|agent| agent.enabled)
        .ok_or(IntegerIdError::AgentNotFound)?;

    let now = caller.now();
    let mut next = caller.number(Series::Sessions).await?;
    let detail = IntegerIdDetail::of(&agent);
    // A number is assigned once, but an import may have stored a session with it.
    for _ in 0..MAX_NUMBERS {
        let number = SessionNumber::new(next).ok_or(Rejection::Internal)?;
        let session = NewSession {
            agent: Some(agent.id),
            kind: Some(new.session_type.clone()),
            metadata: new.metadata.clone(),
            detail: JsonText::of(&detail).map_err(|_| Rejection::Internal)?,
            ..NewSession::of(
                DialectName::IntegerId,
                SessionId::from_number(number),
                number.to_string(),
                now,
                caller.mint.uuid(),
            )
        };
        match caller.store.sessions().create(session).await? {
            Created::New | Created::Recovered(_) => {
                let session = StartedSession {
                    session_id: number.get(),
                    agent_id: agent.number.get(),
                    agent_name: detail.agent_name,
                    session_type: new.session_type,
                    status: Status::Active,
                    started_at: Seconds(now),
                    metadata: new.metadata,
                    avatar: detail.avatar.into(),
                };
                let message = "Session started successfully";
                return Ok(Reply(StatusCode::CREATED, Started { success: true, session, message }));
            }
            Created::NoSuchAgent => return Err(IntegerIdError::AgentNotFound),
            Created::Existing(_) => next = caller.store.numbers().next(Series::Sessions).await?,
        }
    }
    Err(Rejection::Unavailable.into())
}
