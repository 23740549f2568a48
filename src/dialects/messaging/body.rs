//! Bodies as Express parses them: an object, an array that has no members, or nothing.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::dialects::messaging::MessagingError;
use crate::domain::{JsonField, JsonText};
use crate::http::{MediaType, Rejection, json_bytes, parse_json};

/// The members of a body. A form is accepted and has none.
pub struct Members(Option<JsonText>);

impl<S: Send + Sync> FromRequest<S> for Members {
    type Rejection = MessagingError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = match json_bytes(request).await {
            Err(Rejection::UnsupportedMediaType(MediaType::Form)) => return Ok(Self(None)),
            bytes => bytes?,
        };
        Ok(Self(parse_json(&bytes)?))
    }
}

impl Members {
    /// Returns the body as it was sent, or `None` without a body.
    pub(super) fn json(&self) -> Option<&JsonText> {
        self.0.as_ref()
    }

    /// Reads the members. Returns `None` if the body is neither an object nor an array.
    ///
    /// # Errors
    /// [`Rejection::DuplicateMember`] if the body repeats a member.
    pub(super) fn read<T: DeserializeOwned + Default>(&self) -> Result<Option<T>, MessagingError> {
        let Some(json) = &self.0 else { return Ok(None) };
        match json.read().unwrap_or_default() {
            JsonField::Array(_) => Ok(Some(T::default())),
            JsonField::Object(object) => Ok(Some(object.read().map_err(|_| Rejection::DuplicateMember)?)),
            _ => Ok(None),
        }
    }
}
