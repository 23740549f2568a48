//! `PATCH /v2/agents/{agent_key}/sessions/{session_key}` (docs/dialects/agent-key.md).

use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::create::{DESCRIPTION_LIMIT, NAME_LIMIT};
use super::session::{AgentKeyDetail, AgentSession, expires_at};
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::find::{self, FoundSession};
use crate::dialects::agent_key::patch;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::session::State;
use crate::domain::{DialectName, JsonField, JsonText, Patch, Session, Timestamp};
use crate::http::{JsonBody, PathOf, Reply};

#[derive(Deserialize, ToSchema)]
pub struct UpdateSession {
    /// 1 to 1,000 characters; null leaves it unchanged.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: JsonField,
    /// Null removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: JsonField,
    /// Replaces all metadata; null means the empty object.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// Null means true.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    enabled: JsonField,
    /// Counted from this request; null means 0, which is never.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    tti_minutes: JsonField,
}

/// The validated changes.
#[derive(Clone)]
struct Changes {
    name: Patch<String>,
    description: Patch<String>,
    metadata: Patch<JsonText>,
    enabled: Patch<bool>,
    tti_minutes: Patch<i64>,
}

impl Changes {
    fn read(body: UpdateSession) -> Result<Self, AgentKeyError> {
        Ok(Self {
            name: patch::text(body.name, "name", 1..=NAME_LIMIT)?,
            description: patch::text(body.description, "description", 0..=DESCRIPTION_LIMIT)?,
            metadata: patch::metadata(body.metadata)?,
            enabled: patch::boolean(&body.enabled, "enabled")?,
            tti_minutes: patch::count(&body.tti_minutes, "tti_minutes")?,
        })
    }

    fn apply_to(self, session: &mut Session, now: Timestamp) {
        if let Patch::Set(name) = self.name {
            session.name = Some(name);
        }
        self.description.apply_to(&mut session.description);
        let mut metadata = session.metadata.take().unwrap_or_else(JsonText::empty_object);
        self.metadata.apply_or(&mut metadata, JsonText::empty_object());
        session.metadata = Some(metadata);
        self.enabled.apply_or(&mut session.enabled, true);
        if self.tti_minutes != Patch::Keep {
            let mut detail = AgentKeyDetail::of(session);
            self.tti_minutes.apply_or(&mut detail.tti_minutes, 0);
            session.expires_at = expires_at(now, detail.tti_minutes);
            detail.put_into(session);
        }
        session.updated_at = now;
    }
}

/// Update agent session
#[utoipa::path(
    patch,
    path = "/v2/agents/{agent_key}/sessions/{session_key}",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
    ),
    request_body = UpdateSession,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The current session.", body = AgentSession),
    )
)]
#[tracing::instrument(name = "agent_key.update_session", level = "debug", skip_all)]
pub async fn update_session(
    caller: Caller<AgentKeyDialect, purpose::WriteSessions>,
    path: PathOf<AgentKeyDialect, (String, String)>,
    body: JsonBody<AgentKeyDialect, UpdateSession>,
) -> Result<Reply<AgentSession>, AgentKeyError> {
    let session_not_found = || AgentKeyError::SessionNotFound(path.0.1.clone());
    let FoundSession { agent, session } = find::session(&caller, &path.0).await?;
    let changes = Changes::read(body.0)?;
    let now = caller.now();
    let rule = move |session: &mut Session| {
        let is_open = session.state_at(now) == State::Open;
        if is_open {
            changes.clone().apply_to(session, now);
        }
        is_open
    };
    let changed = caller
        .store
        .sessions()
        .change((DialectName::AgentKey, session.id), caller.mint.uuid())
        .apply(rule)
        .await?
        .filter(|changed| changed.outcome != Some(false))
        .ok_or_else(session_not_found)?;
    Ok(Reply(StatusCode::OK, AgentSession::new(changed.session, agent.key.clone(), now)))
}
