//! `GET /v1/chat/agents` and `GET /v2/chat/agents` (docs/dialects/agntix.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::agents::agent::ChatAgent;
use crate::dialects::agntix::paging::{Pagination, Paging};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::dialects::shared::boolean::boolean;
use crate::dialects::shared::document::LenientInteger;
use crate::domain::AgentId;
use crate::http::{QueryPairs, Reply};
use crate::store::{AgentFilter, Page, PageLimit, WINDOW};

const DEFAULT_LIMIT: i64 = 20;

#[derive(Serialize, ToSchema)]
pub struct AgentList {
    data: Vec<ChatAgent>,
    pagination: Pagination,
}

/// List agents
///
/// Newest first. A page has at most 4 MiB; if it is cut, `pagination.nextCursor` continues it. Also at
/// `/v1/chat/agents`.
#[utoipa::path(
    get,
    path = "/v2/chat/agents",
    params(
        ("page" = Option<LenientInteger>, Query, description = "From 1; a number out of bounds is moved to the nearest bound."),
        ("limit" = Option<LenientInteger>, Query, description = "1 to 100, by default 20; also `pageSize`."),
        ("search" = Option<String>, Query, description = "Part of the name, in any case."),
        ("isActive" = Option<bool>, Query),
        ("cursor" = Option<String>, Query, description = "`pagination.nextCursor` of an earlier response; pages are counted from there."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agents.", body = AgentList),
    )
)]
#[tracing::instrument(name = "agntix.list_agents", level = "debug", skip_all)]
pub async fn list_agents(
    caller: Caller<Agntix, purpose::ReadAgents>,
    pairs: QueryPairs,
) -> Result<Reply<AgentList>, AgntixError> {
    let paging = Paging::read(&pairs, DEFAULT_LIMIT)?;
    let enabled = match pairs.first("isActive").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let invalid = || AgntixError::Validation("isActive must be a boolean value".to_owned());
            Some(boolean(text).ok_or_else(invalid)?)
        }
    };
    // No name contains U+0000, and Postgres rejects texts with it.
    let search = pairs.first("search").filter(|text| !text.is_empty());
    if search.is_some_and(|text| text.contains('\0')) {
        return Ok(Reply(StatusCode::OK, AgentList { data: Vec::new(), pagination: Pagination::new(paging, 0, None) }));
    }
    let filter = AgentFilter { enabled, name_contains: search };
    let after = paging.after.map(|(at, id)| (at, AgentId(id)));
    let agents = caller.store.agents();
    let window = PageLimit::rows(paging.limit.min(WINDOW - paging.skip())).skipping(paging.skip());
    let (total, found) = if paging.skip() < WINDOW {
        tokio::try_join!(agents.count(filter, WINDOW), agents.list(filter, after, window))?
    } else {
        (agents.count(filter, WINDOW).await?, Page::empty())
    };
    let more = found.is_full(paging.limit);
    let next = found.rows.last().filter(|_| more).map(|last| (last.created_at, last.id.0));
    let organization = &caller.principal.organization;
    let data = found.rows.iter().map(|agent| ChatAgent::new(agent, organization)).collect();
    Ok(Reply(StatusCode::OK, AgentList { data, pagination: Pagination::new(paging, total, next) }))
}
