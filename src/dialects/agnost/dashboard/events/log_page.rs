//! A page of events of all conversations, newest first.

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::filters::{Asked, CursorText};
use crate::dialects::agnost::dashboard::order;
use crate::dialects::agnost::events::event::CapturedEvent;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::store::{COUNT_LIMIT, LogKind};

/// A page of events, newest first.
#[derive(Serialize, ToSchema)]
pub struct LogPage {
    logs: Vec<CapturedEvent>,
    /// The number of events; 10,000 means that many or more. With a search, the matches among the 500 newest events
    /// that may match, or those on the page if they are more; `next_cursor` continues the search.
    total: i64,
    page: i64,
    page_size: i64,
    /// The cursor of the next page; absent on the last page. A page may have fewer events than `page_size` without
    /// being the last. It has at most 4 MiB. If no index finds the events, it covers 20,000 events with filters by
    /// connection or client, 10,000 with filters by metadata, and 4,000 with a search of fewer than three characters, or
    /// two in a script without spaces. If a page is cut, `next_cursor` continues it. The cut does not move the next `page`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<CursorText>,
}

pub async fn page(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    asked: &Asked,
    kind: LogKind,
    bytes: usize,
) -> Result<LogPage, AgnostError> {
    let mut page = caller.store.captures().log(&asked.filter, kind, asked.cursor, asked.limit().within(bytes)).await?;
    order::newest_first(&mut page.rows);
    Ok(LogPage {
        logs: page.rows.into_iter().map(CapturedEvent::of).collect::<Result<_, _>>()?,
        total: page.total.min(COUNT_LIMIT),
        page: asked.page,
        page_size: asked.page_size,
        next_cursor: page.next.map(CursorText),
    })
}
