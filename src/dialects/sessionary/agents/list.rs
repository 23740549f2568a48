//! `GET /sessionary/v1/agents`.

use axum::response::Response;

use super::agent::WireAgent;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{ByTime, List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::AgentId;
use crate::store::{AgentFilter, PageLimit};

/// List agents
///
/// The newest come first.
#[utoipa::path(
    get,
    path = "/sessionary/v1/agents",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The agents.", body = Page<WireAgent>))
)]
#[tracing::instrument(name = "sessionary.list_agents", level = "debug", skip_all)]
pub async fn list_agents(
    caller: Caller<Sessionary, purpose::ReadAgents>,
    query: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&query, caller.store.org(), &[])?;
    let after = list.after::<ByTime>()?.map(|cursor| (cursor.at, AgentId(cursor.id)));
    let limit = PageLimit::rows(i64::try_from(list.limit + 1).unwrap_or(i64::MAX));
    let mut page = caller.store.agents().list(AgentFilter::default(), after, limit).await?;
    let more = page.truncate(list.limit);
    let next = page.rows.last().filter(|_| more).map(|agent| ByTime { at: agent.created_at, id: agent.id.0 });
    Ok(list.page(page.rows.iter().map(|agent| WireAgent::new(agent, &caller)).collect(), next))
}
