//! `PATCH /sessionary/v1/settings`.

use http::StatusCode;
use utoipa::ToSchema;

use super::wire::WireSettings;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::agents::responder::{self, NewResponder};
use crate::dialects::sessionary::conditional::{IfMatch, Versioned};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::Responder;
use crate::http::JsonBody;
use crate::store::OwnSettings;

/// An absent member stays unchanged.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct UpdateSettings {
    /// 1 to 200 characters.
    name: Option<String>,
    /// Replaces the whole responder. Null is `{"kind":"none"}`.
    default_responder: Option<NewResponder>,
}

/// Update the settings
///
/// Replicas apply them within a second.
#[utoipa::path(
    patch,
    path = "/sessionary/v1/settings",
    params(("If-Match" = Option<String>, Header, description = "The `ETag` of the version to change.")),
    request_body = UpdateSettings,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The settings.", body = WireSettings, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 412, description = "The settings have changed since the version that `If-Match` names."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.update_settings", level = "debug", skip_all)]
pub async fn update_settings(
    caller: Caller<Sessionary, purpose::Manage>,
    if_match: IfMatch,
    body: JsonBody<Sessionary, Members>,
) -> Result<Versioned<WireSettings>, SessionaryError> {
    let mut body = body.0;
    let name = body.text("name", 1..=200);
    let name = body.not_null("name", name);
    let responder = responder::read(&mut body, "default_responder");
    body.finish()?;

    let org = caller.store.org();
    let rule = |settings: &mut OwnSettings| {
        if_match.check(&WireSettings::new(org, settings))?;
        if let Some(name) = name {
            settings.name = name;
        }
        let before = settings.responder.clone();
        responder.apply_or(&mut settings.responder, Responder::None);
        responder::keep_secrets(Some(&before), &mut settings.responder);
        Ok::<(), SessionaryError>(())
    };
    let changed = caller.store.own_organization().change(rule).await??;
    Ok(Versioned(StatusCode::OK, WireSettings::new(org, &changed)))
}
