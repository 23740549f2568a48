//! `POST /dashboard/api/tool-error-distribution` (docs/dialects/agnost.md).

use std::collections::HashMap;

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::figures::{Named, by_name, is_call};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::events::event::CapturedEvent;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::{Breakdown, Figures, LogKind, PageLimit};

/// The newest errors of the window that are grouped by their texts.
const SAMPLED_ERRORS: i64 = 1_000;

/// Texts of errors in one response.
const MAX_MESSAGES: usize = 50;

/// Characters of an error's text by which errors are grouped.
const MESSAGE_LENGTH: usize = 200;

/// The tools that fail, and the texts of their errors.
#[derive(Serialize, ToSchema)]
pub struct ErrorDistribution {
    /// Tools that failed.
    tools: Vec<Named>,
    /// The most frequent texts of the newest 1,000 errors of the window, of at most 4 MiB.
    messages: Vec<ErrorText>,
    complete: bool,
}

#[derive(Serialize, ToSchema)]
struct ErrorText {
    /// The first 200 characters of the call's output.
    message: String,
    count: usize,
}

pub async fn distribution(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    asked: &Asked,
    figures: &Figures,
) -> Result<ErrorDistribution, AgnostError> {
    let newest =
        caller.store.captures().log(&asked.filter, LogKind::Errors, None, PageLimit::rows(SAMPLED_ERRORS)).await?;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for row in newest.rows {
        if matches!(row.kind.as_str(), "tool" | "resource" | "prompt") {
            let text = CapturedEvent::of(row)?.output().chars().take(MESSAGE_LENGTH).collect();
            *counts.entry(text).or_default() += 1;
        }
    }
    let mut messages: Vec<ErrorText> =
        counts.into_iter().map(|(message, count)| ErrorText { message, count }).collect();
    messages.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.message.cmp(&b.message)));
    messages.truncate(MAX_MESSAGES);
    let mut tools = by_name(figures.rows.iter().filter(|figure| is_call(figure)));
    tools.retain(|tool| tool.errors() > 0);
    tools.sort_by_key(|tool| std::cmp::Reverse(tool.errors()));
    Ok(ErrorDistribution { tools, messages, complete: figures.complete })
}

/// Tool error distribution
///
/// The tools that fail, and the texts of their errors.
#[utoipa::path(
    post,
    path = "/dashboard/api/tool-error-distribution",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Tools and texts, the most frequent first.", body = ErrorDistribution),
    )
)]
#[tracing::instrument(name = "agnost.tool_error_distribution", level = "debug", skip_all)]
pub async fn tool_error_distribution(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<ErrorDistribution>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let figures = caller.store.captures().figures(&asked.filter, Breakdown::Names).await?;
    Ok(Reply(StatusCode::OK, distribution(&caller, &asked, &figures).await?))
}
