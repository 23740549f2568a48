//! `POST /sessionary/v1/agents`.

use axum::response::Response;
use http::StatusCode;
use utoipa::ToSchema;

use super::agent::{DESCRIPTION, NAME, WireAgent};
use super::responder::{self, NewResponder};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::Versioned;
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{AgentId, AgentKey, AgentNumber, NewAgent};
use crate::http::Rejection;
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::{AgentCreated, Series};

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct CreateAgent {
    /// 1 to 200 characters.
    #[schema(example = "Customer support")]
    name: String,
    /// 1 to 50 characters of `0-9`, `a-z`, `A-Z`, `_` and `-`, unique in the organization; generated if absent.
    #[schema(pattern = "^[0-9a-zA-Z_-]{1,50}$")]
    key: Option<String>,
    /// At most 10,000 characters.
    description: Option<String>,
    /// The organization's if absent or null.
    responder: Option<NewResponder>,
    /// True by default.
    enabled: Option<bool>,
}

/// Create an agent
#[utoipa::path(
    post,
    path = "/sessionary/v1/agents",
    params(IdempotencyKeyHeader),
    request_body = CreateAgent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The agent.", body = WireAgent, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 409, description = "The key is taken."),
        (status = 422, description = "The body is not valid."),
    )
)]
pub async fn create_agent(
    caller: Caller<Sessionary, purpose::WriteAgents>,
    request: Idempotent<Sessionary, Members>,
) -> Response {
    request.respond(caller, create).await
}

#[tracing::instrument(name = "sessionary.create_agent", level = "debug", skip_all)]
async fn create(
    caller: Caller<Sessionary, purpose::WriteAgents>,
    mut body: Members,
) -> Result<Versioned<WireAgent>, SessionaryError> {
    let name = body.text("name", NAME);
    let name = body.required("name", name);
    let key = body
        .read("key", "1 to 50 characters of 0-9, a-z, A-Z, _ and -", |given| given.as_str()?.parse::<AgentKey>().ok());
    let description = body.text("description", DESCRIPTION).set();
    let responder = responder::read(&mut body, "responder").set();
    let enabled = body.boolean("enabled").set().unwrap_or(true);
    body.finish()?;
    let name = name.ok_or(Rejection::Internal)?;

    let id = AgentId(caller.mint.uuid());
    let key = match key.set() {
        Some(key) => key,
        None => format!("agt_{}", caller.mint.hex(12)).parse().map_err(|_| Rejection::Internal)?,
    };
    let number = AgentNumber::new(caller.number(Series::Agents).await?).ok_or(Rejection::Internal)?;
    let new = NewAgent {
        number: Some(number),
        description,
        enabled,
        responder,
        ..NewAgent::named(id, key.clone(), name, caller.now())
    };
    match caller.store.agents().create(new).await? {
        AgentCreated::New(agent) => Ok(Versioned(StatusCode::CREATED, WireAgent::new(&agent, &caller))),
        AgentCreated::Taken(_) => Err(SessionaryError::Conflict {
            code: "key_taken",
            detail: format!("Another agent of the organization has the key {key}."),
        }),
    }
}
