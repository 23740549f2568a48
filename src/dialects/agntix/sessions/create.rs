//! `POST /v1/chat/chat/sessions` (docs/dialects/agntix.md).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::contacts::contact::ContactBody;
use crate::dialects::agntix::sessions::session::{AgntixDetail, ChatSession};
use crate::dialects::agntix::validate::metadata;
use crate::dialects::agntix::{Agntix, AgntixError, Settings};
use crate::domain::{AgentId, AgentRef, DialectName, JsonField, JsonText, NewSession, Session};
use crate::http::{Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::Created;

pub(in crate::dialects::agntix) const PLATFORMS: [&str; 4] = ["SDK", "WEB", "WHATSAPP", "VOICE"];

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateSession {
    /// The agent to chat with.
    #[serde(default)]
    #[schema(value_type = uuid::Uuid, required = true)]
    agent_id: JsonField,
    /// SDK, WEB, WHATSAPP or VOICE. SDK if absent, because the vendor's own clients do not send it.
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "SDK")]
    platform: JsonField,
    /// At most 4,096 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Contact>)]
    contact: JsonField,
}

/// The contact of a session.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Contact {
    /// The client's own customer id.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    external_id: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: JsonField,
}

/// A validated body.
struct ValidatedCreateSession {
    agent: AgentId,
    platform: String,
    metadata: JsonText,
    contact: Option<JsonText>,
}

impl CreateSession {
    fn validate(self) -> Result<ValidatedCreateSession, AgntixError> {
        let agent = match &self.agent_id {
            JsonField::Absent | JsonField::Null => return Err(invalid("agentId should not be empty")),
            JsonField::String(text) if text.is_empty() => return Err(invalid("agentId should not be empty")),
            given => {
                given.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| invalid("agentId must be a UUID"))?
            }
        };
        let platform = match self.platform {
            JsonField::Absent | JsonField::Null => PLATFORMS[0].to_owned(),
            JsonField::String(platform) if PLATFORMS.contains(&platform.as_str()) => platform,
            _ => {
                let all = PLATFORMS.join(", ");
                return Err(invalid(&format!("platform must be one of the following values: {all}")));
            }
        };
        Ok(ValidatedCreateSession {
            agent,
            platform,
            metadata: metadata(self.metadata)?,
            contact: contact(self.contact)?,
        })
    }
}

fn invalid(message: &str) -> AgntixError {
    AgntixError::Validation(message.to_owned())
}

fn contact(given: JsonField) -> Result<Option<JsonText>, AgntixError> {
    let object = match given {
        JsonField::Absent | JsonField::Null => return Ok(None),
        JsonField::Object(object) => object,
        _ => return Err(invalid("contact must be an object")),
    };
    let contact: Contact = object.read().map_err(|_| invalid("contact must not name a member twice"))?;
    if !matches!(contact.external_id, JsonField::Absent | JsonField::Null | JsonField::String(_)) {
        return Err(invalid("contact.externalId must be a string"));
    }
    metadata(contact.metadata).map_err(|error| match error {
        AgntixError::Validation(message) => AgntixError::Validation(format!("contact.{message}")),
        other => other,
    })?;
    let tags_fit = match contact.tags {
        JsonField::Absent | JsonField::Null => true,
        JsonField::Array(tags) => tags.read::<Vec<String>>().is_ok(),
        _ => false,
    };
    if tags_fit { Ok(Some(object)) } else { Err(invalid("contact.tags must be an array of strings")) }
}

/// Create session
///
/// Starts a session with an agent. `metadata` is returned as it was sent, with its keys in the same order.
#[utoipa::path(
    post,
    path = "/v1/chat/chat/sessions",
    params(IdempotencyKeyHeader),
    request_body = CreateSession,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Session created.", body = ChatSession),
        (status = 400, description = "The agent is not active."),
        (status = 404, description = "No such agent in this organization."),
    )
)]
pub async fn create_session(
    State(settings): State<Settings>,
    caller: Caller<Agntix, purpose::WriteSessions>,
    request: Idempotent<Agntix, CreateSession>,
) -> Response {
    request.respond(caller, move |caller, body| create(settings, caller, body)).await
}

#[tracing::instrument(name = "agntix.create_session", level = "debug", skip_all)]
async fn create(
    settings: Settings,
    caller: Caller<Agntix, purpose::WriteSessions>,
    body: CreateSession,
) -> Result<Reply<ChatSession>, AgntixError> {
    let new = body.validate()?;
    let agent = caller.store.agents().find(&AgentRef::Id(new.agent)).await?.ok_or(AgntixError::AgentNotFound)?;
    if !agent.enabled {
        return Err(AgntixError::AgentInactive);
    }

    let now = caller.now();
    let contact = match new.contact {
        None => None,
        // The future is rarely needed and kilobytes large. It is on the heap, so that other creates stay small.
        Some(contact) => Some(Box::pin(find_or_create(&caller, contact)).await?),
    };
    let id = caller.mint.session_id(now);
    let session = NewSession {
        agent: Some(agent.id),
        kind: Some(new.platform),
        metadata: Some(new.metadata),
        detail: JsonText::of(&AgntixDetail { contact, close_reason: None }).map_err(|_| Rejection::Internal)?,
        expires_at: settings.idle_timeout.map(|idle| now + idle),
        ..NewSession::of(DialectName::Agntix, id, id.to_agntix(), now, caller.mint.uuid())
    };
    match caller.store.sessions().create(session.clone()).await? {
        Created::New | Created::Recovered(_) => {
            let session = ChatSession::new(Session::from(session), &caller.principal.organization, now);
            Ok(Reply(StatusCode::CREATED, session))
        }
        Created::NoSuchAgent => Err(AgntixError::AgentNotFound),
        // Does not happen, because the id has 74 random bits.
        Created::Existing(_) => Err(Rejection::Internal.into()),
    }
}

/// Finds or creates the contact with the external id; without an external id, creates one. Returns the contact as it
/// was sent.
async fn find_or_create(
    caller: &Caller<Agntix, purpose::WriteSessions>,
    sent: JsonText,
) -> Result<JsonText, AgntixError> {
    let body: ContactBody = sent.read().map_err(|_| invalid("contact must not name a member twice"))?;
    let contact = body.validate().map_err(of_contact)?.contact(caller.mint.uuid(), caller.now());
    caller.store.contacts().find_or_create(&contact).await?;
    Ok(sent)
}

/// Returns the same error with its member within `contact`.
fn of_contact(error: AgntixError) -> AgntixError {
    match error {
        AgntixError::Validation(message) => AgntixError::Validation(format!("contact.{message}")),
        other => other,
    }
}

/// Create session, at its older path
#[utoipa::path(
    post,
    path = "/api/v1/chat/sessions",
    params(IdempotencyKeyHeader),
    request_body = CreateSession,
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 201, description = "As at `/v1/chat/chat/sessions`, with a `Deprecation` header.", body = ChatSession))
)]
#[deprecated = "the vendor's documentation withdrew this path; it is still served"]
pub async fn create_session_at_alias(
    state: State<Settings>,
    caller: Caller<Agntix, purpose::WriteSessions>,
    request: Idempotent<Agntix, CreateSession>,
) -> impl IntoResponse {
    let deprecation = [(HeaderName::from_static("deprecation"), HeaderValue::from_static("true"))];
    (deprecation, create_session(state, caller, request).await)
}
