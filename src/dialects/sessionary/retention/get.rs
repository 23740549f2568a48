//! `GET /sessionary/v1/retention`.

use http::StatusCode;

use super::rules::WireRetention;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::Versioned;
use crate::dialects::sessionary::{Sessionary, SessionaryError};

/// Get the retention
#[utoipa::path(
    get,
    path = "/sessionary/v1/retention",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The retention.", body = WireRetention, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
#[tracing::instrument(name = "sessionary.get_retention", level = "debug", skip_all)]
pub async fn get_retention(
    caller: Caller<Sessionary, purpose::ReadSettings>,
) -> Result<Versioned<WireRetention>, SessionaryError> {
    let settings = caller.store.retention().settings().await?;
    Ok(Versioned(StatusCode::OK, (&settings).into()))
}
