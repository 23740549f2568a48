//! `/dashboard/api/dashboard/charts`: stored settings of a dashboard's charts (docs/dialects/agnost.md).

use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{Agnost, AgnostError};
use crate::auth::{Caller, purpose};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{JsonField, JsonText};
use crate::http::{JsonBody, PathOf, QueryPairs, Rejection, Reply, json_bytes, parse_object};
use crate::store::{ChartCursor, ChartRow, Page};

/// Bytes of a chart's settings.
const LIMIT: usize = 64 * 1024;
const MAX_CHARTS: usize = 1_000;
/// The cursor of the next page is in a header, because the response is an array.
static NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// A chart: the settings that were sent, and these two members.
#[derive(Serialize, ToSchema)]
pub struct Chart {
    id: Uuid,
    #[schema(value_type = String)]
    created_at: Milliseconds,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    settings: IndexMap<String, JsonText>,
}

impl Chart {
    fn of(row: ChartRow) -> Result<Self, Rejection> {
        let mut settings: IndexMap<String, JsonText> =
            serde_json::from_str(&row.settings).map_err(|_| Rejection::Internal)?;
        settings.shift_remove("id");
        settings.shift_remove("created_at");
        Ok(Self { id: row.chart_id, created_at: Milliseconds(row.created_at), settings })
    }
}

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

/// Returns a page of charts, and the cursor of the next page in a header.
fn response(page: Page<ChartRow>) -> Result<(HeaderMap, Reply<Vec<Chart>>), AgnostError> {
    let mut headers = HeaderMap::new();
    if let Some(last) = page.rows.last().filter(|_| page.cut)
        && let Ok(value) = HeaderValue::try_from(format!("{}.{}", last.position, last.chart_id))
    {
        headers.insert(NEXT_CURSOR.clone(), value);
    }
    let charts = page.rows.into_iter().map(Chart::of).collect::<Result<_, _>>()?;
    Ok((headers, Reply(StatusCode::OK, charts)))
}

/// Reads the cursor of a page: the position and the id of the chart before it.
fn read_cursor(text: &str) -> Option<ChartCursor> {
    let (position, id) = text.split_once('.')?;
    Some((position.parse().ok()?, parse_hyphenated_uuid(id)?))
}

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

/// Delete chart
#[utoipa::path(
    delete,
    path = "/dashboard/api/dashboard/charts/{id}",
    params(("id" = Uuid, Path)),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The chart was deleted."),
        (status = 404, description = "No such chart."),
    )
)]
#[tracing::instrument(name = "agnost.delete_chart", level = "debug", skip_all)]
pub async fn delete_chart(
    caller: Caller<Agnost, purpose::WriteEvents>,
    path: PathOf<Agnost, String>,
) -> Result<StatusCode, AgnostError> {
    let missing = AgnostError::Missing("Chart");
    let id = parse_hyphenated_uuid(&path.0).ok_or_else(|| missing.clone())?;
    if caller.store.dashboard().delete_chart(id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing) }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewOrder {
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>, required = true)]
    chart_ids: JsonField,
}

/// Reorder charts
///
/// The named charts come first, in this order. Ids of charts that do not exist are ignored.
#[utoipa::path(
    put,
    path = "/dashboard/api/dashboard/charts/reorder",
    request_body = NewOrder,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The charts in their new order.", body = Vec<Chart>),
    )
)]
#[tracing::instrument(name = "agnost.reorder_charts", level = "debug", skip_all)]
pub async fn reorder_charts(
    caller: Caller<Agnost, purpose::WriteEvents>,
    order: JsonBody<Agnost, NewOrder>,
) -> Result<(HeaderMap, Reply<Vec<Chart>>), AgnostError> {
    let ids: Option<Vec<Uuid>> = match &order.0.chart_ids {
        JsonField::Array(ids) => ids
            .read::<Vec<String>>()
            .ok()
            .and_then(|ids| ids.iter().map(|id| parse_hyphenated_uuid(id)).collect::<Option<Vec<Uuid>>>())
            .filter(|ids| ids.len() <= MAX_CHARTS),
        _ => None,
    };
    let mut ids = ids.ok_or(AgnostError::Invalid("chart_ids must be an array of at most 1000 UUIDs"))?;
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
    let dashboard = caller.store.dashboard();
    dashboard.order_charts(&ids).await?;
    response(dashboard.charts(None).await?)
}
