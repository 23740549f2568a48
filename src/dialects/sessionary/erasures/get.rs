//! `GET /sessionary/v1/erasures/{erasure_id}`.

use http::StatusCode;

use super::erasure::Erasure;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::ErasureId;
use crate::http::{PathOf, Reply};

/// Get an erasure
#[utoipa::path(
    get,
    path = "/sessionary/v1/erasures/{erasure_id}",
    params(("erasure_id" = uuid::Uuid, Path, description = "The erasure's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The receipt.", body = Erasure))
)]
#[tracing::instrument(name = "sessionary.get_erasure", level = "debug", skip_all)]
pub async fn get_erasure(
    caller: Caller<Sessionary, purpose::ReadErasures>,
    path: PathOf<Sessionary, String>,
) -> Result<Reply<Erasure>, SessionaryError> {
    let missing = || SessionaryError::NotFound("erasure");
    let id: ErasureId = path.0.parse().map_err(|_| missing())?;
    let receipt = caller.store.erasures().find(id).await?.ok_or_else(missing)?;
    Ok(Reply(StatusCode::OK, receipt.into()))
}
