//! `POST /v2/chat/agents`, and the quickstart's `POST /v1/chat/agents` (docs/dialects/agntix.md).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::agents::agent::{AgentBody, AgntixAgentSettings, ChatAgentDetail, fresh_settings};
use crate::dialects::agntix::{Agntix, AgntixError, Settings};
use crate::domain::{AgentId, AgentNumber, NewAgent};
use crate::http::{Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::{AgentCreated, Series};

/// Create agent
///
/// Accepts both documented bodies: `fullName`, `description` and `role` are required, or `name` alone. Also at
/// `/v1/chat/agents`.
#[utoipa::path(
    post,
    path = "/v2/chat/agents",
    params(IdempotencyKeyHeader),
    request_body = AgentBody,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Agent created.", body = ChatAgentDetail),
        (status = 422, description = "The model is not supported."),
    )
)]
pub async fn create_agent(
    State(settings): State<Settings>,
    caller: Caller<Agntix, purpose::WriteAgents>,
    request: Idempotent<Agntix, AgentBody>,
) -> Response {
    request.respond(caller, move |caller, body| create(settings, caller, body)).await
}

#[tracing::instrument(name = "agntix.create_agent", level = "debug", skip_all)]
async fn create(
    settings: Settings,
    caller: Caller<Agntix, purpose::WriteAgents>,
    body: AgentBody,
) -> Result<Reply<ChatAgentDetail>, AgntixError> {
    let whole = body.is_whole();
    let mut values = body.validate(&settings)?;
    values.require(whole)?;
    let number = AgentNumber::new(caller.number(Series::Agents).await?).ok_or(Rejection::Internal)?;
    let id = AgentId(caller.mint.uuid());
    let key = format!("agt_{}", caller.mint.hex(12)).parse().map_err(|_| Rejection::Internal)?;
    let named = NewAgent::named(id, key, values.full_name.take().unwrap_or_default(), caller.now());
    let new = NewAgent {
        number: Some(number),
        description: values.description.take(),
        enabled: values.is_active.unwrap_or(true),
        language: values.language.take().unwrap_or_else(|| named.language.clone()),
        settings: {
            let mut settings = AgntixAgentSettings::default();
            values.apply_own(&mut settings);
            fresh_settings(&settings)?
        },
        ..named
    };
    match caller.store.agents().create(new).await? {
        AgentCreated::New(agent) => {
            let detail = ChatAgentDetail::new(&agent, &caller.principal.organization, &settings);
            Ok(Reply(StatusCode::CREATED, detail))
        }
        // Does not happen: each number is assigned once, and the key has 48 random bits.
        AgentCreated::Taken(_) => Err(Rejection::Internal.into()),
    }
}
