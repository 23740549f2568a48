//! `POST /api/messaging/sessions` (docs/dialects/messaging.md).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::messages::channel;
use crate::dialects::messaging::sessions::session::{MessagingDetail, OpenSession};
use crate::dialects::messaging::sessions::timeouts::{Bounds, GivenTimeouts, TimeoutConfig};
use crate::dialects::messaging::{Messaging, MessagingError, metadata};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::expiry::Lifetime;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{AgentId, AgentRef, DialectName, JsonField, JsonText, NewSession, SessionId};
use crate::http::{Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::Created;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateSession {
    /// The agent to start a session with, in lower case.
    #[serde(default)]
    #[schema(value_type = Uuid, required = true)]
    agent_id: JsonField,
    /// The user who creates the session. The user need not exist; the text is returned as it was sent.
    #[serde(default)]
    #[schema(value_type = Uuid, required = true)]
    user_id: JsonField,
    /// At most 10,240 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// Numbers out of bounds are moved to the nearest bound, never rejected.
    #[serde(default)]
    #[schema(value_type = Option<GivenTimeouts>)]
    timeout_config: JsonField,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedSession {
    #[schema(value_type = Uuid)]
    session_id: SessionId,
    channel_id: Uuid,
    #[schema(value_type = Uuid)]
    agent_id: Option<AgentId>,
    #[schema(value_type = Uuid)]
    user_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = Object)]
    metadata: JsonText,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Milliseconds,
    timeout_config: TimeoutConfig,
}

impl CreatedSession {
    fn new(OpenSession { session, detail, lifetime }: OpenSession) -> Self {
        Self {
            session_id: session.id,
            channel_id: detail.channel_id,
            agent_id: session.agent,
            user_id: session.user_id,
            created_at: Milliseconds(session.created_at),
            metadata: session.metadata.unwrap_or_else(JsonText::empty_object),
            expires_at: Milliseconds(lifetime.expires_at),
            timeout_config: detail.timeout_config,
        }
    }
}

struct ValidatedCreateSession {
    agent_text: String,
    agent: AgentId,
    user_id: String,
    metadata: JsonText,
    timeouts: GivenTimeouts,
}

impl CreateSession {
    fn validate(self) -> Result<ValidatedCreateSession, MessagingError> {
        let (JsonField::String(agent_text), JsonField::String(user_id)) = (self.agent_id, self.user_id) else {
            return Err(MessagingError::MissingFields);
        };
        // A UUID of any version is accepted, as in the vendor's server, although the error message says v4.
        let uuid = |field, text: &str| {
            parse_hyphenated_uuid(text).ok_or_else(|| MessagingError::InvalidUuid { field, value: text.to_owned() })
        };
        let agent = AgentId(uuid("agentId", &agent_text)?);
        uuid("userId", &user_id)?;
        let timeouts = match self.timeout_config {
            JsonField::Object(object) => object.read().map_err(|_| Rejection::DuplicateMember)?,
            _ => GivenTimeouts::default(),
        };
        Ok(ValidatedCreateSession { agent_text, agent, user_id, metadata: metadata::given(&self.metadata), timeouts })
    }
}

/// Create a new session
///
/// Numbers in `timeoutConfig` are read as JavaScript reads them and moved into their bounds.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions",
    params(IdempotencyKeyHeader),
    request_body = CreateSession,
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 201, description = "Session created.", body = CreatedSession),
        (status = 404, description = "No such agent in this organization."),
    )
)]
pub async fn create_session(
    State(bounds): State<Bounds>,
    caller: Caller<Messaging, purpose::WriteSessions>,
    request: Idempotent<Messaging, CreateSession>,
) -> Response {
    request.respond(caller, move |caller, body| create(bounds, caller, body)).await
}

#[tracing::instrument(name = "messaging.create_session", level = "debug", skip_all)]
async fn create(
    bounds: Bounds,
    caller: Caller<Messaging, purpose::WriteSessions>,
    body: CreateSession,
) -> Result<Reply<CreatedSession>, MessagingError> {
    let new = body.validate()?;
    let agent_not_found = || MessagingError::AgentNotFound(new.agent_text.clone());
    // The vendor looks agents up by their text, so the same UUID in another case is another agent.
    if new.agent.to_string() != new.agent_text {
        return Err(agent_not_found());
    }
    let agent = caller
        .store
        .agents()
        .find(&AgentRef::Id(new.agent))
        .await?
        .filter(|agent| agent.enabled)
        .ok_or_else(agent_not_found)?;
    // The vendor checks the agent before the metadata, so an unknown agent is 404 even with invalid metadata.
    metadata::check(&new.metadata)?;

    // Every attempt at a request with an idempotency key has the same id, but the session begins at the current time.
    let (id, now) = (caller.mint.session_id_v4(caller.now()), caller.clock.now());
    let timeout_config = TimeoutConfig::clamped(&new.timeouts, &bounds, bounds.of_agent(&agent.settings));
    let lifetime = Lifetime::begin(&timeout_config.timeouts(), now);
    let detail = MessagingDetail {
        channel_id: channel::of_session(id),
        timeout_config,
        first_timeout_config: None,
        last_activity: lifetime.last_activity,
        renewal_count: lifetime.renewals,
    };
    let session = NewSession {
        agent: Some(agent.id),
        user_id: Some(new.user_id),
        metadata: Some(new.metadata),
        detail: JsonText::of(&detail).map_err(|_| Rejection::Internal)?,
        expires_at: Some(lifetime.expires_at),
        ..NewSession::of(DialectName::Messaging, id, id.to_string(), now, caller.mint.uuid())
    };
    match caller.store.sessions().create(session.clone()).await? {
        Created::New => Ok(Reply(StatusCode::CREATED, CreatedSession::new(OpenSession::read(session.into())?))),
        Created::Recovered(session) => {
            Ok(Reply(StatusCode::CREATED, CreatedSession::new(OpenSession::read(*session)?)))
        }
        Created::NoSuchAgent => Err(agent_not_found()),
        // Does not happen, because the id has 74 random bits.
        Created::Existing(_) => Err(Rejection::Internal.into()),
    }
}
