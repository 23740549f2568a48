//! `POST /dashboard/api/dashboard/charts` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;
use indexmap::IndexMap;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::charts::chart::Chart;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::JsonText;
use crate::http::{Rejection, Reply, json_bytes, parse_object};
use crate::store::ChartRow;

/// Bytes of a chart's settings.
const LIMIT: usize = 64 * 1024;

/// Create chart
///
/// Adds a chart after the others. Any object of at most 64 KiB is stored as it was sent.
#[utoipa::path(
    post,
    path = "/dashboard/api/dashboard/charts",
    request_body = Object,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The chart.", body = Chart),
        (status = 422, description = "The organization already has 1,000 charts."),
    )
)]
#[tracing::instrument(name = "agnost.create_chart", level = "debug", skip_all)]
pub async fn create_chart(
    caller: Caller<Agnost, purpose::WriteEvents>,
    request: Request,
) -> Result<Reply<Chart>, AgnostError> {
    let bytes = json_bytes(request).await?;
    if bytes.len() > LIMIT {
        return Err(Rejection::BodyTooLarge(LIMIT).into());
    }
    let settings: IndexMap<String, JsonText> = parse_object(&bytes)?;
    let stored = JsonText::of(&settings).map_err(|_| Rejection::Internal)?;
    let (id, now) = (caller.mint.uuid(), caller.now());
    if !caller.store.dashboard().add_chart(id, &stored, now).await? {
        return Err(AgnostError::Full("charts"));
    }
    let row = ChartRow { chart_id: id, position: 0, settings: stored.as_str().to_owned(), created_at: now };
    Ok(Reply(StatusCode::CREATED, Chart::of(row)?))
}
