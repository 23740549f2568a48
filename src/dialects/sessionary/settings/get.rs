//! `GET /sessionary/v1/settings`.

use http::StatusCode;

use super::wire::WireSettings;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::Versioned;
use crate::dialects::sessionary::{Sessionary, SessionaryError};

/// Get the settings
#[utoipa::path(
    get,
    path = "/sessionary/v1/settings",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The settings.", body = WireSettings, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
#[tracing::instrument(name = "sessionary.get_settings", level = "debug", skip_all)]
pub async fn get_settings(
    caller: Caller<Sessionary, purpose::ReadSettings>,
) -> Result<Versioned<WireSettings>, SessionaryError> {
    let settings = caller.store.own_organization().settings().await?;
    Ok(Versioned(StatusCode::OK, WireSettings::new(caller.store.org(), &settings)))
}
