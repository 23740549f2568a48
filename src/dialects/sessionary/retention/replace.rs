//! `PUT /sessionary/v1/retention`.

use http::StatusCode;
use utoipa::ToSchema;

use super::rules::{self, NewRule, WireRetention};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::{IfMatch, Versioned};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::Patch;
use crate::http::{JsonBody, Rejection};
use crate::store::admin::RetentionSettings;

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct ReplaceRetention {
    /// At most one rule per dialect, and one for the others. Without a rule, sessions are stored for ever.
    rules: Vec<NewRule>,
    /// Whether nothing is erased, by retention or on request.
    legal_hold: bool,
}

/// Replace the retention
///
/// Erasing begins within minutes. A running erasure stops before its next step when a legal hold begins.
#[utoipa::path(
    put,
    path = "/sessionary/v1/retention",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version to replace.")),
    request_body = ReplaceRetention,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The retention.", body = WireRetention, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 412, description = "The retention has changed since the version that `If-Match` names."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.replace_retention", level = "debug", skip_all)]
pub async fn replace_retention(
    caller: Caller<Sessionary, purpose::Manage>,
    if_match: IfMatch,
    body: JsonBody<Sessionary, Members>,
) -> Result<Versioned<WireRetention>, SessionaryError> {
    let mut body = body.0;
    let rules = rules::read(&mut body, "rules");
    let rules = body.required("rules", rules.map_or(Patch::Keep, Patch::Set));
    let hold = body.boolean("legal_hold");
    let hold = body.required("legal_hold", hold);
    body.finish()?;
    let (rules, hold) = rules.zip(hold).ok_or(Rejection::Internal)?;

    let now = caller.now();
    let rule = |settings: &mut RetentionSettings| {
        if_match.check(&WireRetention::from(&*settings))?;
        settings.rules = rules;
        settings.held_since = hold.then(|| settings.held_since.unwrap_or(now));
        Ok::<(), SessionaryError>(())
    };
    let changed = caller.store.retention().change(now, rule).await??;
    Ok(Versioned(StatusCode::OK, (&changed).into()))
}
