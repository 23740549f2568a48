//! `GET /api/v1/avatars/images/{image}`: where the images are that avatars were uploaded with.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, header};

use super::error::Envelope;
use super::{IntegerId, IntegerIdError};
use crate::auth::{BaseUrl, Visitor};
use crate::domain::{ImageAddress, ImageFormat};
use crate::http::{PathOf, Refusal};

/// The URL under which a browser gets an image.
pub(super) fn url_of(address: ImageAddress, base: &BaseUrl) -> String {
    format!("{base}/api/v1/avatars/images/{address}")
}

/// Get avatar image
///
/// An avatar's `url`, where a file was uploaded. Pages show it without a credential: whoever has the address, which cannot
/// be guessed, may see the image. It is there until its avatar is deleted, and never changes.
#[utoipa::path(
    get,
    path = "/api/v1/avatars/images/{image}",
    params(("image" = String, Path, description = "The last segment of the avatar's `url`.")),
    responses(
        (status = 200, description = "The image: PNG, JPEG, GIF or WebP.", content_type = "image/*", body = [u8]),
        (status = 404, description = "No such image.", body = Envelope),
        (status = 429, description = "Too many requests from this address.", body = Envelope),
    )
)]
#[tracing::instrument(name = "integer_id.get_image", level = "debug", skip_all)]
pub async fn get_image(visitor: Visitor, path: PathOf<IntegerId, String>) -> Result<Response, IntegerIdError> {
    let unknown = || IntegerIdError::ImageNotFound;
    let address: ImageAddress = path.0.parse().map_err(|_| unknown())?;
    let store = visitor.store_of(address.org).await?.ok_or_else(unknown)?;
    let bytes = store.avatars().image(address.image).await?.ok_or_else(unknown)?;
    let format = ImageFormat::of(&bytes).ok_or(Refusal::Internal)?;
    // Whatever else the bytes could be read as: they are this image, and run nothing.
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    Ok((headers, bytes).into_response())
}
