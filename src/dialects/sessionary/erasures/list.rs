//! `GET /sessionary/v1/erasures`.

use axum::response::Response;

use super::erasure::Erasure;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{ByTime, List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::store::ErasureCursor;

/// List erasures
///
/// Returns the receipts of the organization, newest first: also those of the command line and of retention.
#[utoipa::path(
    get,
    path = "/sessionary/v1/erasures",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "A page of erasures.", body = Page<Erasure>))
)]
#[tracing::instrument(name = "sessionary.list_erasures", level = "debug", skip_all)]
pub async fn list_erasures(
    caller: Caller<Sessionary, purpose::ReadErasures>,
    raw: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&raw, caller.store.org(), &[])?;
    let after: Option<ByTime> = list.after()?;
    let after = after.map(|ByTime { at, id }| ErasureCursor { requested_at: at, id });
    let mut receipts = caller.store.erasures().page(after, list.limit as i64 + 1).await?;
    let has_more = receipts.len() > list.limit;
    receipts.truncate(list.limit);
    let next = receipts.last().filter(|_| has_more).map(|last| ByTime { at: last.requested_at, id: last.id.0 });
    Ok(list.page(receipts.into_iter().map(Erasure::from).collect(), next))
}
