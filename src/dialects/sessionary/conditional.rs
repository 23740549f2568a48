//! Versions of single objects: `ETag` and `If-Match` (RFC 9110, section 13).

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::SessionaryError;
use crate::http::{Rejection, Reply};

/// Limit of the characters of an `If-Match` header.
const MAX_HEADER: usize = 2_000;

/// The versions that a request permits to be changed. A request without `If-Match` permits every version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = SessionaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let invalid = || SessionaryError::from(Rejection::MalformedHeader("If-Match"));
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let text = value.to_str().ok().filter(|text| text.len() <= MAX_HEADER && values.next().is_none());
        text.map(|text| Self(Some(text.to_owned()))).ok_or_else(invalid)
    }
}

impl IfMatch {
    /// Checks that the request permits to change this representation.
    ///
    /// # Errors
    /// [`SessionaryError::PreconditionFailed`] (412) if `If-Match` names other versions only.
    pub(super) fn check(&self, current: &impl Serialize) -> Result<(), SessionaryError> {
        let Some(permitted) = &self.0 else { return Ok(()) };
        let current = etag(current);
        let mut permitted = permitted.split(',').map(str::trim);
        if permitted.any(|tag| tag == "*" || Some(tag) == current.as_deref()) {
            Ok(())
        } else {
            Err(SessionaryError::PreconditionFailed)
        }
    }
}

/// Returns the strong entity tag of a representation: a hash of its bytes.
fn etag(representation: &impl Serialize) -> Option<String> {
    let bytes = serde_json::to_vec(representation).ok()?;
    Some(format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..16])))
}

/// A response with the version of its object.
pub struct Versioned<T>(pub StatusCode, pub T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let tag = etag(&self.1);
        with_tag(Reply(self.0, self.1).into_response(), tag)
    }
}

/// A response with the version of its object, which is that of a part of it: members that change by themselves, such as
/// the time of the last use, are no other version.
pub struct VersionedAs<T, V> {
    pub status: StatusCode,
    pub body: T,
    pub version: V,
}

impl<T: Serialize, V: Serialize> IntoResponse for VersionedAs<T, V> {
    fn into_response(self) -> Response {
        let tag = etag(&self.version);
        with_tag(Reply(self.status, self.body).into_response(), tag)
    }
}

fn with_tag(mut response: Response, tag: Option<String>) -> Response {
    if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
