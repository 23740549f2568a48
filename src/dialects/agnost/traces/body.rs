//! OTLP's two encodings, and what they are packed in.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

use super::super::AgnostError;
use super::count::{self, CountError, PART_LIMIT, SPAN_LIMIT};
use super::export::Rejected;
use super::limits::Limits;
use super::unpack::unpack;
use crate::domain::{JsonFault, json};
use crate::http::{ContentEncoding, MediaType, Rejection, UnpackError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// # Errors
    /// 415 for any other.
    pub fn of(headers: &HeaderMap) -> Result<Self, Rejection> {
        let other = Rejection::UnsupportedMediaType(MediaType::NotOtlp);
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

/// An export as it came, which is yet to be unpacked and read.
pub struct Packed {
    pub encoding: Encoding,
    pub packing: ContentEncoding,
    pub bytes: Bytes,
}

impl Packed {
    /// Unpacks and reads the export. Also returns how many bytes of memory it takes. What it holds is counted before it
    /// is built.
    ///
    /// # Errors
    /// 413 or 400.
    pub fn read(self, limits: Limits) -> Result<(ExportTraceServiceRequest, usize), AgnostError> {
        let bytes = unpack(&self.bytes, self.packing, limits.unpacked)?;
        let length = bytes.len();
        match self.encoding {
            Encoding::Protobuf => {
                let invalid = AgnostError::Invalid("it is no ExportTraceServiceRequest in protobuf");
                let count = count::protobuf(&bytes).map_err(|error| rejected(error, invalid.clone()))?;
                let export = ExportTraceServiceRequest::decode(bytes).map_err(|_| invalid)?;
                Ok((export, count.memory(length)))
            }
            Encoding::Json => {
                let invalid = AgnostError::Invalid("it is no ExportTraceServiceRequest in JSON");
                let text = std::str::from_utf8(&bytes).map_err(|_| Rejection::MalformedJson(JsonFault::NotUtf8))?;
                // A refused span is a lost span: what no text can hold is mended.
                let text = json::mend(text);
                drop((bytes, self.bytes));
                let text = json::check(text.as_bytes()).map_err(Rejection::MalformedJson)?;
                let count = count::json(text).map_err(|error| rejected(error, invalid.clone()))?;
                let export = serde_json::from_str(text).map_err(|_| invalid)?;
                Ok((export, count.memory(length)))
            }
        }
    }
}

impl From<UnpackError> for AgnostError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Malformed => Self::Invalid("it is not packed as its Content-Encoding says"),
            UnpackError::TooLarge(limit) => Self::UnpacksToTooMuch(limit),
        }
    }
}

fn rejected(error: CountError, invalid: AgnostError) -> AgnostError {
    match error {
        CountError::TooManySpans => AgnostError::TooManySpans(SPAN_LIMIT),
        CountError::TooManyParts => AgnostError::TooManyParts(PART_LIMIT),
        CountError::TooDeep => AgnostError::TooDeep,
        CountError::Malformed => invalid,
    }
}

/// The answer to an export of which these spans were rejected.
pub fn answer(encoding: Encoding, rejected: Rejected) -> Response {
    let Rejected { nameless, too_large, over_budget } = rejected;
    let reasons = [
        (nameless, "spans need a trace id of 16 bytes and a span id of 8, neither of them zero"),
        (too_large, "a span must not take more than 2 MiB, however many of its texts are shortened"),
        (over_budget, "the export takes too many bytes; send fewer spans, or fewer attributes of their resource"),
    ];
    let sum = nameless + too_large + over_budget;
    let partial_success = (sum > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: i64::try_from(sum).unwrap_or(i64::MAX),
        error_message: reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(_, why)| *why)
            .collect::<Vec<_>>()
            .join("; "),
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
