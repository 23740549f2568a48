//! `GET /api/v1/sessions` (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::sessions::session::{self, AvatarMembers, NumberedSession, Status};
use crate::dialects::integer_id::{IntegerId, IntegerIdError, query};
use crate::dialects::shared::time::Seconds;
use crate::domain::{AgentRef, DialectName, Timestamp};
use crate::http::{QueryPairs, Reply};
use crate::store::SessionQuery;

/// Sessions in one response. The vendor's list has no pages, so it needs a limit.
pub(in crate::dialects::integer_id) const MAX_SESSIONS: i64 = 1_000;

#[derive(Serialize, ToSchema)]
pub struct SessionList {
    success: bool,
    /// Newest first. If there are more than 1,000 sessions or 4 MiB, only the newest.
    sessions: Vec<ListedSession>,
    /// The value of the query parameter `cursor` that continues the list. Present if there may be older sessions. An
    /// extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ListedSession {
    #[schema(example = 456)]
    session_id: i64,
    #[schema(example = 123)]
    agent_id: i64,
    #[schema(example = "agent_voice")]
    session_type: Option<String>,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    started_at: Seconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Seconds>,
    /// In seconds.
    duration: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    agent_name: String,
    #[serde(flatten)]
    avatar: AvatarMembers,
}

impl ListedSession {
    fn new(numbered: NumberedSession, now: Timestamp) -> Self {
        let NumberedSession { number, session, detail } = numbered;
        Self {
            session_id: number,
            agent_id: detail.agent_id,
            status: Status::of(&session, now),
            session_type: session.kind,
            started_at: Seconds(session.created_at),
            ended_at: session.ended_at.map(Seconds),
            duration: detail.duration,
            created_at: Seconds(session.created_at),
            agent_name: detail.agent_name,
            avatar: detail.avatar.into(),
        }
    }
}

/// List sessions
///
/// For an unknown agent the list is empty. One response searches the next 10,000 sessions of the organization or of the
/// agent, and `next_cursor` continues the list.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    params(
        ("agent_id" = Option<i64>, Query, description = "Only this agent's sessions."),
        ("status" = Option<String>, Query, description = "`active`, `completed` or `all`; any other word means `all`."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of an earlier response."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The sessions.", body = SessionList),
    )
)]
#[tracing::instrument(name = "integer_id.list_sessions", level = "debug", skip_all)]
pub async fn list_sessions(
    caller: Caller<IntegerId, purpose::ReadSessions>,
    pairs: QueryPairs,
) -> Result<Reply<SessionList>, IntegerIdError> {
    let now = caller.now();
    let after = query::cursor(&pairs)?;
    let state = query::status(&pairs);
    let query = SessionQuery { state, after, ..SessionQuery::newest(DialectName::IntegerId, now, MAX_SESSIONS) };
    let query = match query::agent_id(&pairs)? {
        query::AgentFilter::Any => query,
        query::AgentFilter::Unknown => return Ok(list(Vec::new(), None)),
        query::AgentFilter::One(number) => {
            let Some(agent) = caller.store.agents().find(&AgentRef::Number(number)).await? else {
                return Ok(list(Vec::new(), None));
            };
            SessionQuery { agent: Some(agent.id), ..query }
        }
    };
    let (found, next_cursor) = session::page(&caller, &query).await?;
    Ok(list(found.into_iter().map(|numbered| ListedSession::new(numbered, now)).collect(), next_cursor))
}

fn list(sessions: Vec<ListedSession>, next_cursor: Option<String>) -> Reply<SessionList> {
    Reply(StatusCode::OK, SessionList { success: true, sessions, next_cursor })
}
