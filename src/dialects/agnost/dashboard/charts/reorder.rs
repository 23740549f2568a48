//! `PUT /dashboard/api/dashboard/charts/reorder` (docs/dialects/agnost.md).

use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::charts::chart::{Chart, response};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::JsonField;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::http::{JsonBody, Reply};

const MAX_CHARTS: usize = 1_000;

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
