//! The multipart form of a message (docs/dialects/agent-key.md), the alternative to JSON.

use axum::extract::{FromRef, FromRequest, Multipart, Request};
use http::header;

use super::input::CreateEvent;
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::dialects::shared::boolean::boolean;
use crate::domain::{JsonFault, JsonField};
use crate::http::{MediaType, Rejection, parse_json, unpacked};
use crate::idempotency::{Idempotent, WaitTimeout};

/// A body in either form.
pub(super) enum Body {
    Json(Idempotent<AgentKeyDialect, CreateEvent>),
    Form(CreateEvent),
}

impl<S> FromRequest<S> for Body
where
    S: Send + Sync,
    WaitTimeout: FromRef<S>,
{
    type Rejection = AgentKeyError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let is_form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("multipart/form-data"));
        if !is_form {
            return match Idempotent::from_request(request, state).await {
                Ok(json) => Ok(Self::Json(json)),
                Err(AgentKeyError::Rejected(Rejection::UnsupportedMediaType(MediaType::Other | MediaType::Form))) => {
                    Err(Rejection::UnsupportedMediaType(MediaType::NotJsonOrForm).into())
                }
                Err(error) => Err(error),
            };
        }
        if request.headers().contains_key("idempotency-key") {
            return Err(invalid("body", "a form cannot be sent under an Idempotency-Key; send JSON"));
        }
        let form = Multipart::from_request(unpacked(request)?, state).await.map_err(|_| Rejection::UnreadableBody)?;
        read(form).await.map(Self::Form)
    }
}

async fn read(mut form: Multipart) -> Result<CreateEvent, AgentKeyError> {
    let mut body = CreateEvent::default();
    let broken = |error: axum::extract::multipart::MultipartError| match error.status() {
        http::StatusCode::PAYLOAD_TOO_LARGE => Rejection::BodyTooLarge(crate::http::BODY_LIMIT),
        _ => Rejection::UnreadableBody,
    };
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "files" || field.file_name().is_some() {
            return Err(invalid("files", "cannot be uploaded here"));
        }
        let bytes = field.bytes().await.map_err(broken)?;
        let text = || {
            let text = std::str::from_utf8(&bytes).map_err(|_| Rejection::MalformedJson(JsonFault::NotUtf8))?;
            if text.contains('\0') { Err(Rejection::MalformedJson(JsonFault::Nul)) } else { Ok(text) }
        };
        match name.as_str() {
            "messages" => body.messages = json(&bytes)?,
            "message" if body.messages.is_absent() => body.messages = CreateEvent::text(text()?)?,
            "type" => body.kind = JsonField::String(text()?.to_owned()),
            "stream_response" => {
                body.stream_response = match text()? {
                    "" => JsonField::Bool(false),
                    text => boolean(text)
                        .map(JsonField::Bool)
                        .ok_or_else(|| invalid("stream_response", "must be a boolean"))?,
                }
            }
            _ => {}
        }
    }
    Ok(body)
}

/// Reads a field that contains JSON. Any value other than an array becomes one that later validation rejects.
fn json(bytes: &[u8]) -> Result<JsonField, AgentKeyError> {
    match parse_json(bytes)? {
        Some(value) if value.as_str().starts_with('[') => Ok(JsonField::Array(value)),
        Some(value) => Ok(JsonField::Number(value)),
        None => Ok(JsonField::Absent),
    }
}
