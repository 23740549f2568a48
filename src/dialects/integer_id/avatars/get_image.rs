//! `GET /api/v1/avatars/images/{image}`: serves the uploaded images of avatars.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, StatusCode, header};
use utoipa::ToSchema;

use crate::auth::{BaseUrl, Visitor};
use crate::dialects::integer_id::avatars::transfers::{DownloadPermit, Transfers};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::domain::{ImageAddress, ImageFormat, ImageId};
use crate::http::{PathOf, Rejection};
use crate::store::{ImageSlice, StoreError, TenantStore};

/// Caches may show an image for an hour after it was deleted.
const CACHE_CONTROL: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=3600");

/// The bytes of an image.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub struct Image(Bytes);

/// Returns the URL under which a browser gets an image.
pub(in crate::dialects::integer_id) fn url_of(address: ImageAddress, base: &BaseUrl) -> String {
    format!("{base}/api/v1/avatars/images/{address}")
}

/// Get avatar image
///
/// The `url` of an avatar with an uploaded file. The address needs no credential, so that pages can show the image, and
/// it cannot be guessed. The image never changes, and exists until its avatar is deleted; caches may show it for an
/// hour longer.
#[utoipa::path(
    get,
    path = "/api/v1/avatars/images/{image}",
    params(
        ("image" = String, Path, description = "The last segment of the avatar's `url`."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an image that the client has."),
    ),
    responses(
        (
            status = 200,
            description = "The image.",
            content(
                (Image = "image/png"),
                (Image = "image/jpeg"),
                (Image = "image/gif"),
                (Image = "image/webp"),
            )
        ),
        (status = 304, description = "The client has the image."),
        (status = 404, description = "No such image."),
        (status = 429, description = "Too many requests from this address, or too many images being sent to it."),
        (status = 503, description = "Too many images are being sent."),
    )
)]
#[tracing::instrument(name = "integer_id.get_image", level = "debug", skip_all)]
pub async fn get_image(
    visitor: Visitor,
    State(transfers): State<Transfers>,
    headers: HeaderMap,
    path: PathOf<IntegerId, String>,
) -> Result<Response, IntegerIdError> {
    let unknown = || IntegerIdError::ImageNotFound;
    let ImageAddress { org, image } = path.0.parse().map_err(|_| unknown())?;
    let store = visitor.store_of(org).await?.ok_or_else(unknown)?;
    let first = store.avatars().image_slice(image, 0).await?.ok_or_else(unknown)?;
    let tag = format!("\"{image}\"");
    if has(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [CACHE_CONTROL], [(header::ETAG, tag)]).into_response());
    }
    let permit = transfers.download(visitor.network())?;
    let format = ImageFormat::of(&first.bytes).ok_or(Rejection::Internal)?;
    // These headers prevent a browser from reading the bytes as anything but this image, or running them.
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        CACHE_CONTROL,
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    let about = [(header::ETAG, tag), (header::CONTENT_LENGTH, first.length.to_string())];
    Ok((headers, about, Body::from_stream(slices(store, image, first, permit))).into_response())
}

/// Returns whether the client already has the image with this tag (RFC 9110, section 13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

/// Streams an image. Each slice is read once the client has received the previous one. If the image is deleted in the
/// meantime, the stream ends early, which the client sees by its length.
fn slices(
    store: TenantStore,
    image: ImageId,
    first: ImageSlice,
    permit: DownloadPermit,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let ImageSlice { bytes, length } = first;
    let next_slices = stream::try_unfold((store, bytes.len(), permit), move |(store, sent, permit)| async move {
        if sent >= length {
            return Ok(None);
        }
        let Some(slice) = store.avatars().image_slice(image, sent).await? else { return Ok(None) };
        let sent = sent + slice.bytes.len();
        Ok(Some((Bytes::from(slice.bytes), (store, sent, permit))))
    });
    stream::once(async { Ok(Bytes::from(bytes)) }).chain(next_slices)
}
