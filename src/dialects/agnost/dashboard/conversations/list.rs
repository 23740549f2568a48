//! `POST /dashboard/api/user-stories`: conversations, newest first (docs/dialects/agnost.md). The vendor's page shows no
//! body; this one is this service's own.

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::conversations::messages::SessionDetail;
use crate::dialects::agnost::dashboard::filters::{Asked, CursorText, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::JsonText;
use crate::http::Reply;
use crate::store::{Cursor, MAX_PAGE_BYTES, PageLimit, StoreError, StoryEventRow, StoryPage, StoryRow};

/// Events of each conversation.
const LATEST: i64 = 10;

/// A page of conversations, newest first.
#[derive(Serialize, ToSchema)]
pub struct Stories {
    user_stories: Vec<Story>,
    /// The number of conversations; 10,000 means that many or more.
    total: i64,
    page: i64,
    page_size: i64,
    /// The cursor of the next page; absent on the last page. A page may have fewer conversations than `page_size`
    /// without being the last. It has at most 4 MiB, and with filters it covers 20,000 conversations, or 5,000 with
    /// `agent_name` or `search`. If a page is cut, `next_cursor` continues it. The cut does not move the next `page`. A
    /// search that uses an index finds all conversations by their inputs and ids, and the newest 5,000 by parts of
    /// their ids and users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<CursorText>,
}

/// A conversation.
#[derive(Serialize, ToSchema)]
struct Story {
    conversation_id: Uuid,
    /// Its id as it was sent.
    session_id: String,
    user_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    user_data: Option<JsonText>,
    connection_type: Option<String>,
    #[schema(value_type = Option<String>)]
    client_config: Option<JsonText>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonText>,
    #[schema(value_type = String)]
    created_at: Milliseconds,
    /// When its last event arrived.
    #[schema(value_type = Option<String>)]
    last_message_at: Option<Milliseconds>,
    event_count: i64,
    /// Its latest 10 events, newest first.
    events: Vec<StoryEvent>,
}

/// A summary of an event.
#[derive(Serialize, ToSchema)]
struct StoryEvent {
    event_id: String,
    kind: String,
    primitive_name: String,
    success: bool,
    latency: i64,
    timestamp: i64,
    /// The first 200 characters of its input as text.
    input: String,
}

impl Stories {
    pub fn total(&self) -> i64 {
        self.total
    }
}

impl Story {
    fn of(row: StoryRow, events: Vec<StoryEventRow>) -> Result<Self, StoreError> {
        let detail: SessionDetail = serde_json::from_str(&row.detail)?;
        Ok(Self {
            conversation_id: row.session_id,
            session_id: row.public_id,
            user_id: row.user_id,
            user_data: detail.user_data,
            connection_type: row.connection_type,
            client_config: detail.client_config,
            metadata: row.metadata.map(JsonText::stored).transpose()?,
            created_at: Milliseconds(row.created_at),
            last_message_at: row.last_at.filter(|_| row.events > 0).map(Milliseconds),
            event_count: row.events,
            events: events.into_iter().map(StoryEvent::of).collect(),
        })
    }
}

impl StoryEvent {
    fn of(row: StoryEventRow) -> Self {
        Self {
            event_id: row.public_id.unwrap_or_else(|| row.event_id.to_string()),
            kind: row.kind,
            primitive_name: row.name.unwrap_or_default(),
            success: row.success,
            latency: row.latency_ms,
            timestamp: row.at.timestamp_millis(),
            input: row.opening.unwrap_or_default(),
        }
    }
}

pub async fn page(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    asked: &Asked,
    bytes: usize,
) -> Result<Stories, AgnostError> {
    let captures = caller.store.captures();
    // Half of the bytes are for the conversations, half for their events.
    let limit = asked.limit().within(bytes / 2);
    let StoryPage { mut page, total, edge } = captures.stories(&asked.filter, asked.cursor, limit).await?;
    let ids: Vec<Uuid> = page.rows.iter().map(|row| row.session_id).collect();
    let latest = captures.latest_events(&ids, PageLimit::rows(LATEST).within(bytes / 2)).await?;
    let mut events = latest.rows.into_iter().peekable();
    if latest.cut
        && let Some(last) = latest_of_cut(&ids, events.clone().last())
    {
        // This conversation may lack events, so it becomes the first of the next page.
        page.rows.truncate(last);
        page.cut = true;
    }
    let next = page.rows.last().filter(|_| page.is_full(asked.page_size));
    let next = next.map(|row| Cursor { at: row.created_at, id: row.session_id }).or(edge);
    let mut stories = Vec::with_capacity(page.rows.len());
    for row in page.rows {
        let of_this = std::iter::from_fn(|| events.next_if(|event| event.session_id == row.session_id)).collect();
        stories.push(Story::of(row, of_this)?);
    }
    Ok(Stories {
        user_stories: stories,
        total,
        page: asked.page,
        page_size: asked.page_size,
        next_cursor: next.map(CursorText),
    })
}

/// Returns the index of the conversation whose events were cut, or `None` if it is the first of the page.
fn latest_of_cut(ids: &[Uuid], last: Option<StoryEventRow>) -> Option<usize> {
    let cut = last?.session_id;
    ids.iter().position(|id| *id == cut).filter(|index| *index > 0)
}

/// User stories
///
/// The conversations that began in the window, newest first, each with its latest events. `metadata_filters` apply to
/// the session's metadata and the user's data.
#[utoipa::path(
    post,
    path = "/dashboard/api/user-stories",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page of conversations.", body = Stories),
    )
)]
#[tracing::instrument(name = "agnost.user_stories", level = "debug", skip_all)]
pub async fn user_stories(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<Stories>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    Ok(Reply(StatusCode::OK, page(&caller, &asked, MAX_PAGE_BYTES).await?))
}
