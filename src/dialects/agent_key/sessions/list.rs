//! `GET /v2/agents/{agent_key}/sessions` (docs/dialects/agent-key.md).

use std::collections::HashSet;
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::session::AgentSession;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::name_filter::{NameFilter, Named, Narrowed};
use crate::dialects::agent_key::page_key::{List, PageCursor};
use crate::dialects::agent_key::paging::{self, ListMetadata, METADATA_SCAN_TIME, SCAN_CHUNK, SCAN_TIME};
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::metadata_filter::Filter;
use crate::domain::{AgentId, DialectName, OrgId, Session, SessionId};
use crate::http::{CostlyWork, PathOf, QueryPairs, Rejection, Reply};
use crate::store::{Heading, MAX_REQUIRED};

#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    sessions: Vec<AgentSession>,
    metadata: ListMetadata,
}

/// The filters of a request.
struct Filters {
    names: Option<NameFilter>,
    metadata: Option<Filter>,
}

impl Filters {
    async fn of(query: &QueryPairs, costly: &CostlyWork, org: OrgId) -> Result<Self, AgentKeyError> {
        let metadata = query.first("metadata_filter").filter(|filter| !filter.trim().is_empty());
        let metadata =
            metadata.map(str::parse).transpose().map_err(|error: crate::domain::metadata_filter::InvalidFilter| {
                invalid("metadata_filter", error.to_string())
            })?;
        Ok(Self { names: NameFilter::of(query, costly, org).await?, metadata })
    }

    fn is_none(&self) -> bool {
        self.names.is_none() && self.metadata.is_none()
    }

    /// Returns how long a scan may search for more rows of a page.
    fn scan_time(&self) -> Duration {
        if self.metadata.is_some() { METADATA_SCAN_TIME } else { SCAN_TIME }
    }

    /// Returns the open sessions that match both filters, and the cursor of the last row that was searched.
    async fn narrow(
        &mut self,
        caller: &Caller<AgentKeyDialect, purpose::ReadSessions>,
        headings: Vec<Heading>,
    ) -> Result<Narrowed<Heading>, AgentKeyError> {
        let last = headings.last().map(Named::cursor);
        let open: Vec<Heading> = headings.into_iter().filter(|heading| heading.is_open).collect();
        let mut narrowed = match &mut self.names {
            Some(names) => names.narrow(open).await?,
            None => Narrowed { reached: last, rows: open, is_over: false },
        };
        if !narrowed.is_over {
            narrowed.reached = last;
        }
        if let Some(filter) = &self.metadata
            && !narrowed.rows.is_empty()
        {
            let ids: Vec<SessionId> = narrowed.rows.iter().map(|heading| heading.id).collect();
            let matching: HashSet<SessionId> =
                caller.store.sessions().with_metadata(DialectName::AgentKey, &ids, filter).await?;
            narrowed.rows.retain(|heading| matching.contains(&heading.id));
        }
        Ok(narrowed)
    }
}

/// The source of a page's sessions: first the newest, because common values are found there; then those that an index
/// finds, if the metadata filter names a value.
struct Source {
    /// JSON documents that the metadata must contain; empty if no index can find them.
    documents: Vec<String>,
    uses_index: bool,
}

impl Source {
    fn of(filters: &Filters) -> Result<Self, AgentKeyError> {
        let documents = filters.metadata.as_ref().map(|filter| filter.required(MAX_REQUIRED)).transpose();
        let documents = documents.map_err(|_| Rejection::Internal)?.unwrap_or_default();
        Ok(Self { documents, uses_index: false })
    }

    fn look_into_index(&mut self) {
        self.uses_index = !self.documents.is_empty();
    }

    async fn read(
        &mut self,
        caller: &Caller<AgentKeyDialect, purpose::ReadSessions>,
        agent: AgentId,
        after: Option<PageCursor>,
        chunk: usize,
    ) -> Result<Vec<Heading>, AgentKeyError> {
        let (sessions, now) = (caller.store.sessions(), caller.now());
        let after = after.map(|cursor| (cursor.at, SessionId(cursor.id)));
        if self.uses_index {
            let found = sessions.headings_with_metadata(agent, &self.documents, now, after, chunk as i64).await?;
            if let Some(found) = found {
                return Ok(found);
            }
            // Too many sessions have the value for the index to be useful.
            self.documents.clear();
            self.uses_index = false;
        }
        Ok(sessions.headings(agent, now, after, chunk as i64).await?)
    }
}

/// List agent sessions
///
/// `metadata_filter` is a condition over the metadata, as SQL writes it: comparisons, `AND`, `OR`, `NOT`, parentheses,
/// `IN`, `LIKE`, `IS NULL`, `1 IN user_ids` for arrays, and paths such as `profile.country` or `"odd name"`.
///
/// A page has at most 4 MiB. With a filter, a page may have fewer sessions than `limit`, even none, without being the
/// last, because a search stops after a few seconds, and one for metadata after 300 milliseconds; `metadata.page_key`
/// continues the list. An index speeds up conditions with `=` or such as `1 IN user_ids`.
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("filter" = Option<String>, Query, description = "A regular expression that matches anywhere in the name or in the first 1,000 characters of the description. It has at most 1,000 characters, at most 64 KiB when compiled, and neither look-around nor back-references."),
        ("metadata_filter" = Option<String>, Query, description = "At most 8,000 characters, 200 conditions, list entries and members of paths, and 32 members in one path; its grammar is in docs/metadata-filter.md."),
        ("limit" = Option<i64>, Query, description = "1 to 100, by default 10."),
        ("page_key" = Option<String>, Query, description = "The `metadata.page_key` of the previous page."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The open sessions.", body = Sessions),
        (status = 429, description = "Another search of the organization is in progress."),
    )
)]
#[tracing::instrument(name = "agent_key.list_sessions", level = "debug", skip_all)]
pub async fn list_sessions(
    State(costly): State<CostlyWork>,
    caller: Caller<AgentKeyDialect, purpose::ReadSessions>,
    path: PathOf<AgentKeyDialect, String>,
    query: QueryPairs,
) -> Result<Reply<Sessions>, AgentKeyError> {
    let agent = find::agent(&caller, &path.0).await?;
    let limit = paging::limit(&query)?;
    let list = List { name: "sessions", org: caller.store.org(), owner: agent.id.0 };
    let mut after = paging::page_key(&query).map(|key| list.cursor(key)).transpose()?;
    let mut filters = Filters::of(&query, &costly, list.org).await?;

    let mut source = Source::of(&filters)?;
    let began = Instant::now();
    let mut found: Vec<Heading> = Vec::new();
    let mut chunk = if filters.is_none() { limit + 1 } else { SCAN_CHUNK };
    let more = loop {
        let headings = source.read(&caller, agent.id, after, chunk).await?;
        let is_last = headings.len() < chunk;
        let narrowed = filters.narrow(&caller, headings).await?;
        after = narrowed.reached.or(after);
        found.extend(narrowed.rows);
        if found.len() > limit {
            found.truncate(limit);
            after = found.last().map(Named::cursor);
            break true;
        }
        if narrowed.is_over {
            break true;
        }
        if is_last || began.elapsed() > filters.scan_time() {
            break !is_last;
        }
        // Many of the newest sessions have ended or do not match.
        chunk = SCAN_CHUNK;
        source.look_into_index();
    };
    let sessions = caller.store.sessions();
    let ids: Vec<SessionId> = found.iter().map(|heading| heading.id).collect();
    let page = sessions.read(DialectName::AgentKey, &ids).await?;
    let next = if page.cut { page.rows.last().map(cursor_of) } else { after.filter(|_| more) };
    let page_key = next.map(|cursor| list.page_key(cursor));
    let now = caller.now();
    let wire = page.rows.into_iter().map(|session| AgentSession::new(session, agent.key.clone(), now)).collect();
    Ok(Reply(StatusCode::OK, Sessions { sessions: wire, metadata: ListMetadata { page_key } }))
}

fn cursor_of(session: &Session) -> PageCursor {
    PageCursor { at: session.created_at, id: session.id.0 }
}
