//! `POST /api/v1/avatars/upload` (docs/dialects/integer-id.md).

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{BaseUrl, BaseUrlOf, Caller, purpose};
use crate::dialects::integer_id::avatars::get_image;
use crate::dialects::integer_id::avatars::image_form::{Upload, UploadForm, UploadRequest};
use crate::dialects::integer_id::error::{Bare, BareEnvelope};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::domain::{IMAGE_LIMIT, ImageAddress, ImageFormat, ImageId};
use crate::http::Reply;
use crate::idempotency::IdempotencyKeyHeader;
use crate::store::{Series, StoredAvatar};

#[derive(Serialize, ToSchema)]
pub struct UploadedAvatar {
    #[schema(example = 10)]
    id: i64,
    #[schema(example = "Professional Avatar")]
    name: String,
    /// The address of the image; it needs no credential.
    url: String,
    voice_id: Option<String>,
    /// The image's name, which is the last segment of `url`. Images are stored here and not at Cloudinary.
    cloudinary_id: String,
}

/// Upload avatar
///
/// Creates an avatar from a PNG, JPEG, GIF or WebP file of at most 5 MiB, recognized by its first bytes. An
/// organization can have 1,000 images. Deleting an avatar deletes its image; changing its `url` does not. The form must
/// arrive within 30 seconds, so the largest file needs an uplink of 1.5 Mbit/s.
#[utoipa::path(
    post,
    path = "/api/v1/avatars/upload",
    params(IdempotencyKeyHeader),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Avatar created.", body = UploadedAvatar),
        (status = 400, description = "There is no form, or no file in it.", body = BareEnvelope),
        (status = 409, description = "The organization already has 1,000 images.", body = BareEnvelope),
        (status = 413, description = "The file has more than 5 MiB.", body = BareEnvelope),
        (status = 415, description = "The file is not an image of these formats.", body = BareEnvelope),
        (status = 429, description = "The organization has too many uploads in progress."),
        (status = 503, description = "Too many uploads are being read, or the form took too long to arrive."),
    )
)]
pub async fn upload_avatar(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    base: BaseUrlOf<IntegerId>,
    request: UploadRequest,
) -> Response {
    request.0.respond(caller, move |caller, upload| create(caller, base.0, upload)).await
}

#[tracing::instrument(name = "integer_id.upload_avatar", level = "debug", skip_all)]
async fn create(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    base: BaseUrl,
    upload: Upload,
) -> Result<Reply<UploadedAvatar>, IntegerIdError> {
    let members = upload.members()?.validate()?;
    let file = upload.file.filter(|file| !file.is_empty()).ok_or(Bare::Invalid("No file uploaded"))?;
    let name = members.name.ok_or(Bare::Invalid("name required"))?;
    if file.len() > IMAGE_LIMIT {
        return Err(Bare::FileTooLarge.into());
    }
    if ImageFormat::of(&file).is_none() {
        return Err(Bare::NoImage.into());
    }
    let image = ImageId(caller.mint.uuid());
    let address = ImageAddress { org: caller.store.org(), image };
    let avatar = StoredAvatar {
        number: caller.number(Series::Avatars).await?,
        name,
        url: get_image::url_of(address, &base),
        voice_id: members.voice_id.set(),
        is_favorite: members.is_favorite.unwrap_or_default(),
        is_public: members.is_public.unwrap_or_default(),
        created_at: caller.now(),
        updated_at: caller.now(),
    };
    if !caller.store.avatars().create_with_image(&avatar, image, &file).await? {
        return Err(Bare::TooManyImages.into());
    }
    let uploaded = UploadedAvatar {
        id: avatar.number,
        name: avatar.name,
        url: avatar.url,
        voice_id: avatar.voice_id,
        cloudinary_id: address.to_string(),
    };
    Ok(Reply(StatusCode::CREATED, uploaded))
}
