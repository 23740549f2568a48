//! `GET /sessionary/v1/version`.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Reply;

/// The running program.
#[derive(Serialize, ToSchema)]
pub struct Version {
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The version of this API.
    #[schema(example = "v1")]
    api: &'static str,
}

/// Get the version
#[utoipa::path(
    get,
    path = "/sessionary/v1/version",
    responses((status = 200, description = "The version.", body = Version))
)]
#[tracing::instrument(name = "sessionary.get_version", level = "debug", skip_all)]
pub async fn get_version() -> Reply<Version> {
    Reply(StatusCode::OK, Version { version: env!("CARGO_PKG_VERSION"), api: "v1" })
}
