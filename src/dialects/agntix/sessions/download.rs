//! `GET /v1/chat/chat/sessions/download/csv` (docs/dialects/agntix.md). The vendor documents no columns.

use std::sync::Arc;

use axum::BoxError;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::sessions::list::query_of;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::dialects::shared::csv;
use crate::dialects::shared::time::Seconds;
use crate::domain::session::State;
use crate::domain::{Organization, Session, Timestamp};
use crate::http::{CostlyWork, QueryPairs};
use crate::store::{SessionCursor, SessionOrder, SessionQuery, SessionStretch, StoreError, TenantStore};

/// Sessions that are read at a time, and that are in memory while one page is sent.
const PAGE: i64 = 500;
const COLUMNS: [&str; 8] = ["id", "agentId", "platform", "state", "metadata", "orgId", "createdAt", "updatedAt"];

/// Download sessions as CSV
///
/// All sessions, or those that match `agentId`, `state` and `platform`, newest first. The format is RFC 4180, in UTF-8
/// with a byte order mark.
#[utoipa::path(
    get,
    path = "/v1/chat/chat/sessions/download/csv",
    params(
        ("agentId" = Option<uuid::Uuid>, Query),
        ("state" = Option<String>, Query, description = "`OPEN`, `CLOSED` or `EXPIRED`."),
        ("platform" = Option<String>, Query, description = "`SDK`, `WEB`, `WHATSAPP` or `VOICE`."),
        ("sort" = Option<String>, Query, description = "`createdAt:desc` or `createdAt:asc`."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The sessions.", content_type = "text/csv", body = String),
    )
)]
#[tracing::instrument(name = "agntix.download_sessions", level = "debug", skip_all)]
pub async fn download_sessions(
    Shared(costly): Shared<CostlyWork>,
    caller: Caller<Agntix, purpose::ReadSessions>,
    pairs: QueryPairs,
) -> Result<Response, AgntixError> {
    let now = caller.now();
    // Invalid parameters and an unavailable database are reported before the response begins.
    query_of(&pairs, now)?;
    let reader = Reader { store: caller.store, organization: caller.principal.organization, pairs, now, costly };
    let first = reader.read(None).await?;
    let head = stream::once(async { Ok::<_, BoxError>(Bytes::from(csv::head(COLUMNS))) });
    // An error ends the body without its last chunk, so that a client can see that it is incomplete.
    let rows = stream::try_unfold(Some((reader, first)), |at| async move {
        let Some((reader, SessionStretch { sessions, next })) = at else { return Ok(None) };
        let rows = reader.rows(sessions).await?;
        let next = match next {
            None => None,
            Some(cursor) => Some(reader.read(Some(cursor)).await?),
        };
        Ok::<_, BoxError>(Some((rows, next.map(|next| (reader, next)))))
    });
    Ok(csv::download("attachment; filename=\"sessions.csv\"", Body::from_stream(head.chain(rows))))
}

struct Reader {
    store: TenantStore,
    organization: Arc<Organization>,
    pairs: QueryPairs,
    now: Timestamp,
    costly: CostlyWork,
}

impl Reader {
    async fn read(&self, after: Option<SessionCursor>) -> Result<SessionStretch, StoreError> {
        let Ok(query) = query_of(&self.pairs, self.now) else { return Ok(SessionStretch::empty()) };
        // Always sorted by creation, because the cursor of a page is a time of creation.
        let order = match query.order {
            SessionOrder::Newest | SessionOrder::LastUpdated => SessionOrder::Newest,
            SessionOrder::Oldest | SessionOrder::FirstUpdated => SessionOrder::Oldest,
        };
        let query = SessionQuery { after, order, limit: PAGE, ..query };
        self.store.sessions().stretch(&query).await
    }

    /// Writes the sessions of a page on a thread for costly work.
    async fn rows(&self, sessions: Vec<Session>) -> Result<Bytes, BoxError> {
        let (org_id, now) = (self.organization.public_id(), self.now);
        let written = self.costly.run(move || {
            let mut text = String::new();
            for session in &sessions {
                text.push_str(&row(session, &org_id, now));
            }
            Bytes::from(text)
        });
        written.await.map_err(|_| "the rows could not be written".into())
    }
}

fn row(session: &Session, org_id: &str, now: Timestamp) -> String {
    let state = match session.state_at(now) {
        State::Open => "OPEN",
        State::Ended => "CLOSED",
        State::Expired => "EXPIRED",
    };
    let agent = session.agent.map(|agent| agent.to_string()).unwrap_or_default();
    csv::row([
        session.public_id.as_str(),
        &agent,
        session.kind.as_deref().unwrap_or_default(),
        state,
        session.metadata.as_ref().map_or("{}", |metadata| metadata.as_str()),
        org_id,
        &Seconds(session.created_at).to_string(),
        &Seconds(session.updated_at).to_string(),
    ])
}
