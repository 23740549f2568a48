//! `POST /dashboard/api/tool-checkpoint-stats` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;

/// How long calls take to reach their checkpoints.
#[derive(Serialize, ToSchema)]
pub struct Checkpoints {
    /// Of the newest 2,500 events of the window.
    checkpoints: Vec<Checkpoint>,
}

#[derive(Serialize, ToSchema)]
struct Checkpoint {
    tool: String,
    name: String,
    count: i64,
    /// Milliseconds from the beginning of the call.
    average: f64,
    /// Milliseconds from the beginning of the call.
    max: f64,
}

pub async fn checkpoints(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    asked: &Asked,
) -> Result<Checkpoints, AgnostError> {
    let rows = caller.store.captures().checkpoints(&asked.filter).await?;
    let checkpoints = rows
        .into_iter()
        .map(|row| Checkpoint {
            tool: row.tool,
            name: row.checkpoint,
            count: row.count,
            average: row.mean_ms,
            max: row.max_ms,
        })
        .collect();
    Ok(Checkpoints { checkpoints })
}

/// Tool checkpoint stats
///
/// How long calls took to reach each of their checkpoints.
#[utoipa::path(
    post,
    path = "/dashboard/api/tool-checkpoint-stats",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The checkpoints, by tool and name.", body = Checkpoints),
    )
)]
#[tracing::instrument(name = "agnost.tool_checkpoint_stats", level = "debug", skip_all)]
pub async fn tool_checkpoint_stats(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<Checkpoints>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    Ok(Reply(StatusCode::OK, checkpoints(&caller, &asked).await?))
}
