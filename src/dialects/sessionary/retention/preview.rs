//! `POST /sessionary/v1/retention/preview`.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::rules::{self, NewRule};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::{OptionalJsonBody, Reply};

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct PreviewRetention {
    /// The rules to try; the current ones by default.
    rules: Option<Vec<NewRule>>,
}

/// What retention would erase now.
#[derive(Serialize, ToSchema)]
pub struct RetentionPreview {
    /// Sessions by dialect.
    #[schema(example = json!({"agntix": 12}))]
    sessions: BTreeMap<&'static str, u64>,
    /// Their events.
    events: u64,
    /// False if there were too many sessions to look at all of them; the numbers are lower bounds then.
    is_complete: bool,
}

/// Preview the retention
///
/// Shows what would be erased now, and changes nothing. It looks at the 20,000 oldest sessions of a dialect, for at
/// most five seconds.
#[utoipa::path(
    post,
    path = "/sessionary/v1/retention/preview",
    request_body = Option<PreviewRetention>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "What would be erased.", body = RetentionPreview),
        (status = 422, description = "The body is not valid."),
        (status = 429, description = "Another search of the organization is in progress."),
    )
)]
#[tracing::instrument(name = "sessionary.preview_retention", level = "debug", skip_all)]
pub async fn preview_retention(
    caller: Caller<Sessionary, purpose::ReadSettings>,
    body: OptionalJsonBody<Sessionary, Members>,
) -> Result<Reply<RetentionPreview>, SessionaryError> {
    let mut body = body.0;
    let rules = rules::read(&mut body, "rules");
    body.finish()?;
    let rules = match rules {
        Some(rules) => rules,
        None => caller.store.retention().settings().await?.rules,
    };
    let found = caller.store.retention().preview(&rules, caller.now()).await?;
    let preview = RetentionPreview { sessions: found.sessions, events: found.events, is_complete: found.is_complete };
    Ok(Reply(StatusCode::OK, preview))
}
