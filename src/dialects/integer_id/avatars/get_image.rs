//! `GET /api/v1/avatars/images/{image}`: where the images are that avatars were uploaded with.

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

/// An hour: so long an image may be shown by caches after it was deleted.
const CACHE_CONTROL: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=3600");

/// The bytes of an image.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes")]
pub struct Image(Bytes);

/// The URL under which a browser gets an image.
pub(in crate::dialects::integer_id) fn url_of(address: ImageAddress, base: &BaseUrl) -> String {
    format!("{base}/api/v1/avatars/images/{address}")
}

/// Get avatar image
///
/// An avatar's `url`, where a file was uploaded. Pages show it without a credential: whoever has the address, which cannot
/// be guessed, may see the image. It never changes, and is there until its avatar is deleted; caches may show it for an
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
    // Whatever else the bytes could be read as: they are this image, and run nothing.
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

/// Whether the client says that it has what this tag names (RFC 9110, section 13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

/// An image from its first slice on, each read once the client has taken the one before. Where the image is deleted
/// meanwhile it ends early, which the client sees by its length.
fn slices(
    store: TenantStore,
    image: ImageId,
    first: ImageSlice,
    permit: DownloadPermit,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let ImageSlice { bytes, length } = first;
    let rest = stream::try_unfold((store, bytes.len(), permit), move |(store, sent, permit)| async move {
        if sent >= length {
            return Ok(None);
        }
        let Some(slice) = store.avatars().image_slice(image, sent).await? else { return Ok(None) };
        let sent = sent + slice.bytes.len();
        Ok(Some((Bytes::from(slice.bytes), (store, sent, permit))))
    });
    stream::once(async { Ok(Bytes::from(bytes)) }).chain(rest)
}
