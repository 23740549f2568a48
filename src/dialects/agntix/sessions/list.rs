//! `GET /v1/chat/chat/sessions` (docs/dialects/agntix.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::paging::{Pagination, Paging};
use crate::dialects::agntix::sessions::create::PLATFORMS;
use crate::dialects::agntix::sessions::session::ChatSession;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::dialects::shared::document::LenientInteger;
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, SessionId, Timestamp};
use crate::http::{QueryPairs, Reply};
use crate::store::{SessionOrder, SessionQuery};

const DEFAULT_LIMIT: i64 = 20;

#[derive(Serialize, ToSchema)]
pub struct SessionList {
    data: Vec<ChatSession>,
    pagination: Pagination,
}

/// Returns the query that the parameters describe, with the first page of the default size.
///
/// # Errors
/// [`AgntixError::Validation`] if a parameter is not valid.
pub(in crate::dialects::agntix) fn query_of(
    pairs: &QueryPairs,
    now: Timestamp,
) -> Result<SessionQuery<'_>, AgntixError> {
    let given = |name: &str| pairs.first(name).filter(|text| !text.is_empty());
    let invalid = |message: &str| AgntixError::Validation(message.to_owned());
    let agent = given("agentId").map(|text| text.parse::<AgentId>().map_err(|_| invalid("agentId must be a UUID")));
    let state = match given("state") {
        None => None,
        Some("OPEN") => Some(State::Open),
        Some("CLOSED") => Some(State::Ended),
        Some("EXPIRED") => Some(State::Expired),
        Some(_) => return Err(invalid("state must be one of the following values: OPEN, CLOSED, EXPIRED")),
    };
    let kind = given("platform");
    if kind.is_some_and(|platform| !PLATFORMS.contains(&platform)) {
        let all = PLATFORMS.join(", ");
        return Err(invalid(&format!("platform must be one of the following values: {all}")));
    }
    let order = match given("sort") {
        None | Some("createdAt:desc") => SessionOrder::Newest,
        Some("createdAt:asc") => SessionOrder::Oldest,
        Some("updatedAt:desc") => SessionOrder::LastUpdated,
        Some("updatedAt:asc") => SessionOrder::FirstUpdated,
        Some(_) => return Err(invalid("sort must be createdAt or updatedAt, followed by :asc or :desc")),
    };
    Ok(SessionQuery {
        agent: agent.transpose()?,
        state,
        kind,
        order,
        ..SessionQuery::newest(DialectName::Agntix, now, DEFAULT_LIMIT)
    })
}

/// List sessions
///
/// Most recent first. One response searches the next 10,000 sessions of the organization or of the agent, or the newest
/// 1,000 if they are sorted by `updatedAt`, and has at most 4 MiB. `pagination.nextCursor` continues the list. Also at
/// `/api/v1/chat/sessions`.
#[utoipa::path(
    get,
    path = "/v1/chat/chat/sessions",
    params(
        ("page" = Option<LenientInteger>, Query, description = "From 1; a number out of bounds is moved to the nearest bound."),
        ("limit" = Option<LenientInteger>, Query, description = "1 to 100, by default 20; also `pageSize`."),
        ("agentId" = Option<uuid::Uuid>, Query),
        ("state" = Option<String>, Query, description = "`OPEN`, `CLOSED` or `EXPIRED`."),
        ("platform" = Option<String>, Query, description = "`SDK`, `WEB`, `WHATSAPP` or `VOICE`."),
        ("sort" = Option<String>, Query, description = "`createdAt` or `updatedAt`, with `:asc` or `:desc`."),
        ("cursor" = Option<String>, Query, description = "`pagination.nextCursor` of an earlier response; pages are counted from there."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The sessions.", body = SessionList),
    )
)]
#[tracing::instrument(name = "agntix.list_sessions", level = "debug", skip_all)]
pub async fn list_sessions(
    caller: Caller<Agntix, purpose::ReadSessions>,
    pairs: QueryPairs,
) -> Result<Reply<SessionList>, AgntixError> {
    let now = caller.now();
    let paging = Paging::read(&pairs, DEFAULT_LIMIT)?;
    let query = SessionQuery {
        after: paging.after.map(|(at, id)| (at, SessionId(id))),
        skip: paging.skip(),
        limit: paging.limit,
        ..query_of(&pairs, now)?
    };
    let found = caller.store.sessions().list(&query).await?;
    let organization = &caller.principal.organization;
    let pagination = Pagination::new(paging, found.total, found.next.map(|(at, id)| (at, id.0)));
    let data = found.sessions.into_iter().map(|session| ChatSession::new(session, organization, now)).collect();
    Ok(Reply(StatusCode::OK, SessionList { data, pagination }))
}
