//! OTLP's two encodings, and gzip around them.

use std::io::Read;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

use super::super::AgnostError;
use crate::domain::{JsonFault, json};
use crate::http::{MediaType, Refusal, body_bytes};

/// Bytes of an export, packed and unpacked. What unpacks to more is not unpacked any further.
const LIMIT: usize = 8 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// # Errors
    /// 415 for any other.
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let other = Refusal::UnsupportedMediaType(MediaType::Other);
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(value), None) = (types.next(), types.next()) else { return Err(other) };
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-protobuf") {
            Ok(Self::Protobuf)
        } else if essence.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else {
            Err(other)
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

/// Reads an export.
///
/// # Errors
/// 413, 415 for a packing that is not gzip, or 400.
pub async fn read(request: Request, encoding: Encoding) -> Result<ExportTraceServiceRequest, AgnostError> {
    let is_gzip = match request.headers().get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => false,
        Some(packing) if packing.eq_ignore_ascii_case(b"gzip") => true,
        Some(_) => return Err(Refusal::UnsupportedMediaType(MediaType::Other).into()),
    };
    let bytes = body_bytes(request, LIMIT).await?;
    let bytes = if is_gzip { unpacked(&bytes)? } else { bytes };
    match encoding {
        Encoding::Protobuf => ExportTraceServiceRequest::decode(bytes)
            .map_err(|_| AgnostError::Invalid("it is no ExportTraceServiceRequest in protobuf")),
        Encoding::Json => {
            let text = std::str::from_utf8(&bytes).map_err(|_| Refusal::MalformedJson(JsonFault::NotUtf8))?;
            // A refused span is a lost span: what no text can hold is mended.
            let text = json::mend(text);
            json::check(text.as_bytes()).map_err(Refusal::MalformedJson)?;
            serde_json::from_str(&text).map_err(|_| AgnostError::Invalid("it is no ExportTraceServiceRequest in JSON"))
        }
    }
}

fn unpacked(bytes: &[u8]) -> Result<Bytes, AgnostError> {
    let mut whole = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(LIMIT as u64 + 1)
        .read_to_end(&mut whole)
        .map_err(|_| AgnostError::Invalid("it is no gzip"))?;
    if whole.len() > LIMIT {
        return Err(Refusal::BodyTooLarge(LIMIT).into());
    }
    Ok(whole.into())
}

/// The answer to an export of which so many spans were rejected.
pub fn answer(encoding: Encoding, rejected: usize) -> Response {
    let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: rejected as i64,
        error_message: "spans need a trace id of 16 bytes and a span id of 8, neither of them zero".to_owned(),
    });
    let answer = ExportTraceServiceResponse { partial_success };
    let bytes = match (encoding, &answer.partial_success) {
        (Encoding::Protobuf, _) => answer.encode_to_vec(),
        (Encoding::Json, None) => b"{}".to_vec(),
        // An int64 is a text in protobuf's JSON.
        (Encoding::Json, Some(partial)) => serde_json::json!({"partialSuccess": {
            "rejectedSpans": partial.rejected_spans.to_string(),
            "errorMessage": partial.error_message,
        }})
        .to_string()
        .into_bytes(),
    };
    let mut response = bytes.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
    response
}
