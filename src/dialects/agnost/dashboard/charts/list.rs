//! `GET /dashboard/api/dashboard/charts` (docs/dialects/agnost.md).

use http::HeaderMap;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::charts::chart::{Chart, response};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::ids::parse_hyphenated_uuid;
use crate::http::{QueryPairs, Reply};
use crate::store::ChartCursor;

/// Charts
///
/// In their order. One response has at most 4 MiB; if there are more charts, `X-Next-Cursor` continues the list.
#[utoipa::path(
    get,
    path = "/dashboard/api/dashboard/charts",
    params(("cursor" = Option<String>, Query, description = "`X-Next-Cursor` of an earlier response.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The charts.", body = Vec<Chart>))
)]
#[tracing::instrument(name = "agnost.charts", level = "debug", skip_all)]
pub async fn charts(
    caller: Caller<Agnost, purpose::ReadEvents>,
    pairs: QueryPairs,
) -> Result<(HeaderMap, Reply<Vec<Chart>>), AgnostError> {
    let invalid = AgnostError::Invalid("cursor must be the X-Next-Cursor of an earlier response");
    let after = pairs.first("cursor").map(|text| read_cursor(text).ok_or(invalid)).transpose()?;
    response(caller.store.dashboard().charts(after).await?)
}

/// Reads the cursor of a page: the position and the id of the chart before it.
fn read_cursor(text: &str) -> Option<ChartCursor> {
    let (position, id) = text.split_once('.')?;
    Some((position.parse().ok()?, parse_hyphenated_uuid(id)?))
}
