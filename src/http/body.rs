//! JSON request bodies and responses.

use std::marker::PhantomData;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::content_encoding::{self, unpacked};
use super::dialect::Dialect;
use super::meter::Meter;
use super::record::Record;
use super::rejection::{MediaType, Rejection};
use crate::domain::{JsonFault, JsonText, json};

/// Limit of the bytes of a request's body: that of ElizaOS's server, and more than any other vendor documents.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// A body that must be a JSON object. Others are rejected in the dialect's own envelope.
pub struct JsonBody<D, T>(pub T, PhantomData<D>);

impl<D, T, S> FromRequest<S> for JsonBody<D, T>
where
    D: Dialect,
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = D::Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = json_bytes(request).await?;
        Ok(Self(parse_object(&bytes)?, PhantomData))
    }
}

/// A body that may be absent or empty, which gives `T`'s default. Otherwise it must be a JSON object.
pub struct OptionalJsonBody<D, T>(pub T, PhantomData<D>);

impl<D, T, S> FromRequest<S> for OptionalJsonBody<D, T>
where
    D: Dialect,
    T: DeserializeOwned + Default,
    S: Send + Sync,
{
    type Rejection = D::Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let bytes = json_bytes(request).await?;
        let is_empty = json::without_mark(&bytes).iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        Ok(Self(if is_empty { T::default() } else { parse_object(&bytes)? }, PhantomData))
    }
}

/// Returns the bytes of a body whose content type is JSON, or no bytes if there is no body. A large body counts among
/// those of its sender until the request has been served.
///
/// # Errors
/// 415 for another content type, 413 when it is too long, 400 when it ends early, or 429 or 503 when too many large
/// bodies are in memory.
pub async fn json_bytes(request: Request) -> Result<Bytes, Rejection> {
    let record = request.extensions().get::<Record>().cloned();
    let sender =
        record.as_ref().and_then(|Record(record)| Some((record.large_bodies.as_ref()?, *record.sender.get()?)));
    let Some((bodies, sender)) = sender else { return metered_json_bytes(request, BODY_LIMIT, &mut ()).await };
    let mut body = bodies.maybe(sender);
    let bytes = metered_json_bytes(request, BODY_LIMIT, &mut body).await?;
    if let Some(Record(record)) = &record {
        let _ = record.body.set(body);
    }
    Ok(bytes)
}

/// Returns the bytes like [`json_bytes`], at most `limit`, counted while they are read.
///
/// # Errors
/// The same as those of [`json_bytes`], or that of the meter.
pub async fn metered_json_bytes(request: Request, limit: usize, meter: &mut impl Meter) -> Result<Bytes, Rejection> {
    if !request.body().is_end_stream() {
        media_type(request.headers()).map_err(Rejection::UnsupportedMediaType)?;
    }
    read(unpacked(request)?.into_body(), limit, meter).await
}

/// Returns the bytes of a body of any type as they arrive, compressed or not, at most `limit`, counted while they are
/// read.
///
/// # Errors
/// 413 when it is too long, 400 when it ends early, or that of the meter.
pub async fn metered_bytes(request: Request, limit: usize, meter: &mut impl Meter) -> Result<Bytes, Rejection> {
    read(request.into_body(), limit, meter).await
}

/// Checks that the content type is `application/json` without a charset other than UTF-8. The error is what it is
/// instead.
fn media_type(headers: &HeaderMap) -> Result<(), MediaType> {
    let mut given = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(MediaType::Other) };
    let Ok(value) = value.to_str() else { return Err(MediaType::Other) };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    match parts.next().as_deref() {
        Some("application/json") => {}
        Some("application/x-www-form-urlencoded" | "multipart/form-data") => return Err(MediaType::Form),
        _ => return Err(MediaType::Other),
    }
    let utf8 = parts.all(|parameter| match parameter.strip_prefix("charset=") {
        Some(charset) => matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"),
        None => true,
    });
    if utf8 { Ok(()) } else { Err(MediaType::Charset) }
}

/// Reads a body of at most `limit` bytes. A body with a larger declared length is not read at all.
async fn read(mut body: Body, limit: usize, meter: &mut impl Meter) -> Result<Bytes, Rejection> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Rejection::BodyTooLarge(limit));
    }
    if let Some(length) = body.size_hint().exact() {
        meter.expect(usize::try_from(length).unwrap_or(limit))?;
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(content_encoding::failure)?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(Rejection::BodyTooLarge(limit));
        }
        meter.received(data.len())?;
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Parses JSON of any type; `None` if there is only white space. A lone surrogate becomes U+FFFD.
///
/// # Errors
/// 400 when it is not JSON, or cannot be stored.
pub fn parse_json(bytes: &[u8]) -> Result<Option<JsonText>, Rejection> {
    let text = json::check_or_mend(bytes).map_err(Rejection::MalformedJson)?;
    if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
        return Ok(None);
    }
    let raw: Box<RawValue> = serde_json::from_str(&text).map_err(|_| Rejection::MalformedJson(JsonFault::Syntax))?;
    Ok(Some(JsonText::compact(&raw)))
}

/// Parses a JSON object. A lone surrogate becomes U+FFFD. An empty body, and any other type of value, is
/// [`Rejection::NotAnObject`].
///
/// # Errors
/// [`Rejection::MalformedJson`], [`Rejection::NotAnObject`] or [`Rejection::DuplicateMember`].
pub fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Rejection> {
    let text = json::check_or_mend(bytes).map_err(Rejection::MalformedJson)?;
    match text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes().first() {
        None => return Err(Rejection::NotAnObject),
        Some(b'{') => {}
        // A struct could also be parsed from an array, which no vendor accepts.
        Some(_) => {
            return Err(match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
                Ok(_) => Rejection::NotAnObject,
                Err(_) => Rejection::MalformedJson(JsonFault::Syntax),
            });
        }
    }
    serde_json::from_str(&text).map_err(|error| {
        if error.is_data() { Rejection::DuplicateMember } else { Rejection::MalformedJson(JsonFault::Syntax) }
    })
}

/// A JSON response.
pub struct Reply<T>(pub StatusCode, pub T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.1) {
            Ok(bytes) => {
                let mut response = (self.0, bytes).into_response();
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
                response
            }
            Err(error) => {
                tracing::error!(%error, "http.reply_not_written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn content_types_are_told_apart() {
        let checked = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static(value));
            }
            media_type(&headers)
        };
        for json in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"; profile=x"]
        {
            assert_eq!(checked(&[json]), Ok(()), "{json}");
        }
        for (other, is) in [
            ("", MediaType::Other),
            ("text/plain", MediaType::Other),
            ("application/vnd.api+json", MediaType::Other),
            ("application/json; charset=latin1", MediaType::Charset),
            ("application/x-www-form-urlencoded", MediaType::Form),
            ("multipart/form-data; boundary=x", MediaType::Form),
        ] {
            assert_eq!(checked(&[other]), Err(is), "{other}");
        }
        assert_eq!(checked(&[]), Err(MediaType::Other));
        assert_eq!(checked(&["application/json", "application/json"]), Err(MediaType::Other));
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Wire {
        #[serde(default)]
        a: crate::domain::JsonField,
    }

    #[test]
    fn objects_are_read_and_others_named() {
        let rejection = |text: &str| parse_object::<Wire>(text.as_bytes()).unwrap_err();
        assert!(parse_object::<Wire>(b" {\"a\": [1], \"other\": {}}").is_ok());
        for text in ["", "  ", "[]", "null", "\"x\"", "17", "[{\"a\":1}]"] {
            assert_eq!(rejection(text), Rejection::NotAnObject, "{text}");
        }
        for text in ["{", "{\"a\"}", "{} {}", "nul", "[1,]", "{\"a\":01}"] {
            assert_eq!(rejection(text), Rejection::MalformedJson(JsonFault::Syntax), "{text}");
        }
        assert_eq!(rejection("{\"a\":1,\"a\":2}"), Rejection::DuplicateMember);
    }

    proptest! {
        #[test]
        fn no_content_type_breaks_the_reader(text in "(?i)(application/)?(json|xml)[ ;=a-z0-9\"+-]{0,20}|[ -~]{0,30}") {
            let mut headers = HeaderMap::new();
            headers.append(header::CONTENT_TYPE, HeaderValue::from_str(&text).unwrap());
            let lower = text.to_ascii_lowercase();
            if media_type(&headers).is_ok() {
                prop_assert!(lower.contains("json"));
                prop_assert!(!lower.contains("charset=") || lower.contains("utf") || lower.contains("ascii"));
            }
        }

        #[test]
        fn no_body_breaks_the_reader(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40), r#"[ {}\[\]":,a0-9\\u.eE-]{0,40}"#.prop_map(String::into_bytes),
        ]) {
            let is_json = serde_json::from_slice::<serde_json::Value>(&bytes);
            match parse_json(&bytes) {
                Ok(Some(json)) => {
                    let again = serde_json::from_str::<serde_json::Value>(json.as_str());
                    // A number that does not fit a double is stored as it was sent, and never parsed as a value.
                    prop_assert!(is_json.is_err() || is_json.ok() == again.ok());
                }
                Ok(None) => prop_assert!(bytes.iter().all(u8::is_ascii_whitespace)),
                Err(_) => {}
            }
        }
    }
}
