//! `GET /v2/agents/{agent_key}/sessions` (apis/agent_key, sections 1 and 5).

use std::collections::HashSet;

use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::session::AgentSession;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::error::Envelope;
use crate::dialects::agent_key::name_filter::NameFilter;
use crate::dialects::agent_key::page_key::{List, Place};
use crate::dialects::agent_key::paging::{self, ListMetadata, SCAN_CHUNK, SCAN_TIME};
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::metadata_filter::Filter;
use crate::domain::{DialectName, SessionId};
use crate::http::{PathOf, QueryPairs, Refusal, Reply};
use crate::store::Heading;

#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    sessions: Vec<AgentSession>,
    metadata: ListMetadata,
}

/// What decides which sessions are listed.
struct Filters {
    names: Option<NameFilter>,
    metadata: Option<Filter>,
}

impl Filters {
    fn of(query: &QueryPairs) -> Result<Self, AgentKeyError> {
        let metadata = query.first("metadata_filter").filter(|filter| !filter.trim().is_empty());
        let metadata =
            metadata.map(str::parse).transpose().map_err(|error: crate::domain::metadata_filter::InvalidFilter| {
                invalid("metadata_filter", error.to_string())
            })?;
        Ok(Self { names: NameFilter::of(query)?, metadata })
    }

    fn is_none(&self) -> bool {
        self.names.is_none() && self.metadata.is_none()
    }

    /// Those that both let through.
    async fn narrow(
        &self,
        caller: &Caller<AgentKeyDialect, purpose::ReadSessions>,
        mut headings: Vec<Heading>,
    ) -> Result<Vec<Heading>, AgentKeyError> {
        if let Some(names) = self.names.clone() {
            // A thousand texts are work for a while, and others wait for this thread.
            let narrowed = tokio::task::spawn_blocking(move || {
                headings.retain(|heading| {
                    names.lets_through(heading.name.as_deref().unwrap_or_default(), heading.description.as_deref())
                });
                headings
            });
            headings = narrowed.await.map_err(|_| Refusal::Internal)?;
        }
        if let Some(filter) = &self.metadata
            && !headings.is_empty()
        {
            let ids: Vec<SessionId> = headings.iter().map(|heading| heading.id).collect();
            let through: HashSet<SessionId> =
                caller.store.sessions().with_metadata(DialectName::AgentKey, &ids, filter).await?;
            headings.retain(|heading| through.contains(&heading.id));
        }
        Ok(headings)
    }
}

/// List agent sessions
///
/// `metadata_filter` is a condition over the metadata, as SQL writes it: comparisons, `AND`, `OR`, `NOT`, parentheses,
/// `IN`, `LIKE`, `IS NULL`, `1 IN user_ids` for arrays, and paths such as `profile.country` or `"odd name"`.
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("filter" = Option<String>, Query, description = "A regular expression that is found in the name or the description; of those that match in linear time, at most 1,000 characters."),
        ("metadata_filter" = Option<String>, Query, description = "At most 8,000 characters; its grammar is in docs/metadata-filter.md."),
        ("limit" = Option<i64>, Query, description = "1 to 100, 10 unless given."),
        ("page_key" = Option<String>, Query, description = "The `metadata.page_key` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The open sessions.", body = Sessions),
        (status = 400, description = "`invalid_request`.", body = Envelope),
        (status = 401, description = "`unauthorized`.", body = Envelope),
        (status = 403, description = "`forbidden`: a missing scope.", body = Envelope),
        (status = 404, description = "`agent_not_found`.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agent_key.list_sessions", level = "debug", skip_all)]
pub async fn list_sessions(
    caller: Caller<AgentKeyDialect, purpose::ReadSessions>,
    path: PathOf<AgentKeyDialect, String>,
    query: QueryPairs,
) -> Result<Reply<Sessions>, AgentKeyError> {
    let agent = find::agent(&caller, &path.0).await?;
    let limit = paging::limit(&query)?;
    let filters = Filters::of(&query)?;
    let list = List { name: "sessions", org: caller.store.org(), owner: agent.id.0 };
    let mut after = paging::page_key(&query).map(|key| list.place(key)).transpose()?;

    let sessions = caller.store.sessions();
    let chunk = if filters.is_none() { limit + 1 } else { SCAN_CHUNK };
    let began = Instant::now();
    let mut found: Vec<Heading> = Vec::new();
    let more = loop {
        let place = after.map(|place| (place.at, SessionId(place.id)));
        let headings = sessions.headings(agent.id, caller.now(), place, chunk as i64).await?;
        let is_last = headings.len() < chunk;
        after = headings.last().map(place_of).or(after);
        found.extend(filters.narrow(&caller, headings).await?);
        if found.len() > limit {
            found.truncate(limit);
            after = found.last().map(place_of);
            break true;
        }
        if is_last || began.elapsed() > SCAN_TIME {
            break !is_last;
        }
    };
    let page_key = after.filter(|_| more).map(|place| list.page_key(place));
    let ids: Vec<SessionId> = found.iter().map(|heading| heading.id).collect();
    let read = sessions.read(DialectName::AgentKey, &ids).await?;
    let now = caller.now();
    let wire = read.into_iter().map(|session| AgentSession::new(session, agent.key.clone(), now)).collect();
    Ok(Reply(StatusCode::OK, Sessions { sessions: wire, metadata: ListMetadata { page_key } }))
}

fn place_of(heading: &Heading) -> Place {
    Place { at: heading.created_at, id: heading.id.0 }
}
