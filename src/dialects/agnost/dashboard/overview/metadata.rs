//! `POST /dashboard/api/metadata-distribution` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;
use indexmap::IndexMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;

/// Values of each member of metadata.
const MAX_VALUES: usize = 20;

/// The members and values of events' metadata.
#[derive(Serialize, ToSchema)]
pub struct MetadataDistribution {
    /// The members, the most frequent first, of the newest 2,500 events of the window.
    keys: Vec<MetadataKey>,
}

#[derive(Serialize, ToSchema)]
struct MetadataKey {
    key: String,
    /// The number of events that have it with one of the counted values.
    count: i64,
    /// Its 20 most frequent values.
    values: Vec<MetadataValue>,
}

#[derive(Serialize, ToSchema)]
struct MetadataValue {
    /// The first 200 characters.
    value: Option<String>,
    count: i64,
}

/// Metadata distribution
///
/// The members of events' metadata and their most frequent values.
#[utoipa::path(
    post,
    path = "/dashboard/api/metadata-distribution",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Members and values, the most frequent first.", body = MetadataDistribution),
    )
)]
#[tracing::instrument(name = "agnost.metadata_distribution", level = "debug", skip_all)]
pub async fn metadata_distribution(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<MetadataDistribution>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let mut keys: IndexMap<String, MetadataKey> = IndexMap::new();
    for row in caller.store.captures().metadata(&asked.filter).await? {
        let key =
            keys.entry(row.key.clone()).or_insert_with(|| MetadataKey { key: row.key, count: 0, values: Vec::new() });
        key.count += row.count;
        if key.values.len() < MAX_VALUES {
            key.values.push(MetadataValue { value: row.value, count: row.count });
        }
    }
    let mut keys: Vec<MetadataKey> = keys.into_values().collect();
    keys.sort_by_key(|key| std::cmp::Reverse(key.count));
    Ok(Reply(StatusCode::OK, MetadataDistribution { keys }))
}
