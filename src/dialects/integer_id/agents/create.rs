//! `POST /api/v1/agents` (docs/dialects/integer-id.md).

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::agents::agent::{self, AgentMembers, AgentStatus, IntegerIdAgentSettings};
use crate::dialects::integer_id::error::Bare;
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::time::Seconds;
use crate::domain::agent::with_settings;
use crate::domain::{AgentId, AgentNumber, DialectName, JsonText, NewAgent};
use crate::http::{Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::{AgentCreated, Series};

#[derive(Serialize, ToSchema)]
pub struct CreatedAgent {
    success: bool,
    agent: NewAgentBody,
    #[schema(example = "Agent created successfully")]
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
struct NewAgentBody {
    #[schema(example = 123)]
    agent_id: i64,
    #[schema(example = "Sales Support Agent")]
    name: String,
    avatar_id: Option<i64>,
    language: String,
    custom_greeting: Option<String>,
    context: Option<String>,
    status: AgentStatus,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
}

/// Create agent
#[utoipa::path(
    post,
    path = "/api/v1/agents",
    params(IdempotencyKeyHeader),
    request_body = AgentMembers,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Agent created.", body = CreatedAgent),
    )
)]
pub async fn create_agent(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    request: Idempotent<IntegerId, AgentMembers>,
) -> Response {
    request.respond(caller, create).await
}

/// Returns the error with `success`, because the page of this route shows it.
fn with_success(bare: Bare) -> IntegerIdError {
    match bare {
        Bare::Invalid(message) => IntegerIdError::Invalid(message),
        other => other.into(),
    }
}

#[tracing::instrument(name = "integer_id.create_agent", level = "debug", skip_all)]
async fn create(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    body: AgentMembers,
) -> Result<Reply<CreatedAgent>, IntegerIdError> {
    let values = body.validate().map_err(with_success)?;
    let Some(name) = values.name.clone() else { return Err(IntegerIdError::Invalid("name required")) };
    let avatar_number = values.avatar_number.as_set().copied();
    if let Some(number) = avatar_number
        && !caller.store.avatars().exists(number).await?
    {
        return Err(IntegerIdError::Invalid("Avatar not found"));
    }
    let mut settings = IntegerIdAgentSettings::default();
    values.apply_own(&mut settings);
    let number = AgentNumber::new(caller.number(Series::Agents).await?).ok_or(Rejection::Internal)?;
    let id = AgentId(caller.mint.uuid());
    let key = format!("agt_{}", caller.mint.hex(12)).parse().map_err(|_| Rejection::Internal)?;
    let named = NewAgent::named(id, key, name, caller.now());
    let new = NewAgent {
        number: Some(number),
        avatar_number,
        enabled: values.enabled.unwrap_or(true),
        language: values.language.unwrap_or_else(|| named.language.clone()),
        settings: with_settings(&JsonText::empty_object(), DialectName::IntegerId, &settings)
            .map_err(|_| Rejection::Internal)?,
        ..named
    };
    match caller.store.agents().create(new).await? {
        AgentCreated::New(made) => {
            let agent = NewAgentBody {
                agent_id: made.number.get(),
                name: made.name.clone(),
                avatar_id: agent::avatar_number(&made),
                language: made.language.clone(),
                custom_greeting: settings.custom_greeting,
                context: settings.context,
                status: AgentStatus::from(&*made),
                created_at: Seconds(made.created_at),
            };
            let created = CreatedAgent { success: true, agent, message: "Agent created successfully" };
            Ok(Reply(StatusCode::CREATED, created))
        }
        // Does not happen: each number is assigned once, and the key has 48 random bits.
        AgentCreated::Taken(_) => Err(Rejection::Internal.into()),
    }
}
