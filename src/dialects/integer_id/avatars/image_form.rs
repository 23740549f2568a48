//! The form with which an avatar is uploaded (docs/dialects/integer-id.md).

use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRef, FromRequest, Request};
use bytes::Bytes;
use http::{StatusCode, header};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::dialects::integer_id::avatars::avatar::AvatarBody;
use crate::dialects::integer_id::avatars::transfers::{Transfers, UploadPermit};
use crate::dialects::integer_id::error::Bare;
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::boolean::boolean;
use crate::domain::{IMAGE_LIMIT, JsonField};
use crate::http::{Record, unpacked};
use crate::idempotency::{Idempotent, SentKey, WaitTimeout};

/// Bytes of a form: the file and the other fields.
const FORM_LIMIT: usize = IMAGE_LIMIT + 64 * 1024;

/// The fields of the form. Other fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes; the extractor reads")]
pub struct UploadForm {
    /// PNG, JPEG, GIF or WebP, at most 5 MiB.
    #[schema(value_type = String, format = Binary)]
    file: Bytes,
    /// 1 to 200 characters.
    name: String,
    voice_id: Option<String>,
    is_favorite: Option<bool>,
    is_public: Option<bool>,
}

/// The fields as they were sent.
#[derive(Default)]
pub(in crate::dialects::integer_id) struct Upload {
    pub file: Option<Bytes>,
    name: Option<Bytes>,
    voice_id: Option<Bytes>,
    is_favorite: Option<Bytes>,
    is_public: Option<Bytes>,
    /// Is released when the bytes are dropped.
    _permit: Option<UploadPermit>,
}

/// A form, and the idempotency key under which it may be sent again.
pub struct UploadRequest(pub(in crate::dialects::integer_id) Idempotent<IntegerId, Upload>);

impl<S> FromRequest<S> for UploadRequest
where
    S: Send + Sync,
    WaitTimeout: FromRef<S>,
    Transfers: FromRef<S>,
{
    type Rejection = IntegerIdError;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let key = SentKey::of(&request)?;
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            return Err(Bare::Invalid("No file uploaded").into());
        }
        let record = request.extensions().get::<Record>();
        let org = record.and_then(|Record(record)| record.org.get()).copied();
        let permit = Transfers::from_ref(state).upload(org)?;
        request = unpacked(request)?;
        DefaultBodyLimit::max(FORM_LIMIT).apply(&mut request);
        let form = Multipart::from_request(request, state).await.map_err(|_| UNREADABLE)?;
        let upload = Upload { _permit: Some(permit), ..Upload::read(form).await? };
        Ok(Self(key.with(upload, Upload::hash, WaitTimeout::from_ref(state))))
    }
}

const UNREADABLE: Bare = Bare::Invalid("The form could not be read");

impl Upload {
    async fn read(mut form: Multipart) -> Result<Self, Bare> {
        let broken = |error: MultipartError| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Bare::FileTooLarge,
            _ => UNREADABLE,
        };
        let mut upload = Self::default();
        while let Some(field) = form.next_field().await.map_err(broken)? {
            let member = match field.name() {
                Some("file") => &mut upload.file,
                Some("name") => &mut upload.name,
                Some("voice_id") => &mut upload.voice_id,
                Some("is_favorite") => &mut upload.is_favorite,
                Some("is_public") => &mut upload.is_public,
                _ => continue,
            };
            if member.replace(field.bytes().await.map_err(broken)?).is_some() {
                return Err(Bare::Invalid("Each field may be sent only once"));
            }
        }
        Ok(upload)
    }

    /// Returns a hash that identifies the form when it is sent again. The bytes of the body cannot be used, because
    /// clients use a new boundary for each attempt.
    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for field in [&self.file, &self.name, &self.voice_id, &self.is_favorite, &self.is_public] {
            let length = field.as_ref().map_or(-1, |bytes| bytes.len() as i64);
            hash.update(length.to_be_bytes());
            hash.update(field.as_deref().unwrap_or_default());
        }
        hash.finalize().into()
    }

    /// Returns the members of the avatar, for the same validation as those of JSON.
    pub fn members(&self) -> Result<AvatarBody, Bare> {
        Ok(AvatarBody {
            name: text(self.name.as_deref())?,
            voice_id: text(self.voice_id.as_deref())?,
            is_favorite: truth(self.is_favorite.as_deref())?,
            is_public: truth(self.is_public.as_deref())?,
            ..AvatarBody::default()
        })
    }
}

/// Returns the text of a field; absent if it is empty, because a form sends an empty text for a field without a value.
fn text(field: Option<&[u8]>) -> Result<JsonField, Bare> {
    let Some(bytes) = field.filter(|bytes| !bytes.is_empty()) else { return Ok(JsonField::Absent) };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(JsonField::String(text.to_owned())),
        _ => Err(Bare::Invalid("Fields other than file must be text in UTF-8")),
    }
}

fn truth(field: Option<&[u8]>) -> Result<JsonField, Bare> {
    Ok(match text(field)? {
        JsonField::String(text) => boolean(&text).map_or(JsonField::String(text), JsonField::Bool),
        given => given,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_field_is_text_exactly_when_it_can_be_stored(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..12), "(?i)true|false|on|.{0,12}".prop_map(String::into_bytes),
        ]) {
            let stored = std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
            prop_assert_eq!(text(Some(&bytes)).is_ok(), stored);
            let expected = match &bytes[..] {
                b"" => Some(JsonField::Absent),
                _ => String::from_utf8(bytes.clone())
                    .ok()
                    .filter(|_| stored)
                    .map(|text| boolean(&text).map_or(JsonField::String(text), JsonField::Bool)),
            };
            prop_assert_eq!(truth(Some(&bytes)).ok(), expected);
        }
    }
}
