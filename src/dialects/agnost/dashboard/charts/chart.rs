//! A chart that a dashboard stores, whatever it stores of it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use indexmap::IndexMap;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dialects::agnost::AgnostError;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::JsonText;
use crate::http::{Rejection, Reply};
use crate::store::{ChartRow, Page};

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
    pub fn of(row: ChartRow) -> Result<Self, Rejection> {
        let mut settings: IndexMap<String, JsonText> =
            serde_json::from_str(&row.settings).map_err(|_| Rejection::Internal)?;
        settings.shift_remove("id");
        settings.shift_remove("created_at");
        Ok(Self { id: row.chart_id, created_at: Milliseconds(row.created_at), settings })
    }
}

/// Returns a page of charts, and the cursor of the next page in a header.
pub fn response(page: Page<ChartRow>) -> Result<(HeaderMap, Reply<Vec<Chart>>), AgnostError> {
    let mut headers = HeaderMap::new();
    if let Some(last) = page.rows.last().filter(|_| page.cut)
        && let Ok(value) = HeaderValue::try_from(format!("{}.{}", last.position, last.chart_id))
    {
        headers.insert(NEXT_CURSOR.clone(), value);
    }
    let charts = page.rows.into_iter().map(Chart::of).collect::<Result<_, _>>()?;
    Ok((headers, Reply(StatusCode::OK, charts)))
}
