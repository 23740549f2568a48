//! OTLP's two encodings, their content encodings, and the responses to exports.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;

use super::super::AgnostError;
use super::count::{self, CountError, PART_LIMIT, SPAN_LIMIT};
use super::decode::{self, Decoded, Item, NoExport};
use super::export::Rejected;
use super::limits::Limits;
use super::logs::Unjoined;
use super::unpack::unpack;
use crate::domain::json;
use crate::http::{ContentEncoding, MediaType, Rejection, UnpackError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// Returns the encoding that the `Content-Type` names.
    ///
    /// # Errors
    /// [`Rejection::UnsupportedMediaType`] (415) for any other type.
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

/// An export as it was sent, before it is unpacked and read.
pub struct Packed {
    pub encoding: Encoding,
    pub packing: ContentEncoding,
    pub bytes: Bytes,
}

impl Packed {
    /// Unpacks and reads the export. Returns it with the bytes of memory that it needs. Its contents are counted before
    /// they are built.
    ///
    /// # Errors
    /// 413 if a limit is exceeded, 400 if it is not an export.
    pub fn read<T: Item>(self, limits: Limits) -> Result<(Decoded<T>, usize), AgnostError> {
        let bytes = unpack(&self.bytes, self.packing, limits.unpacked)?;
        let length = bytes.len();
        match self.encoding {
            Encoding::Protobuf => {
                let invalid = AgnostError::Invalid("it is not an OTLP export in protobuf");
                let count = count::protobuf(&bytes, T::SIGNAL).map_err(|error| rejected(error, invalid.clone()))?;
                let decoded = decode::protobuf::<T>(&bytes).map_err(|NoExport| invalid)?;
                let length = length + decoded.grown;
                Ok((decoded, count.memory(length)))
            }
            Encoding::Json => {
                let invalid = AgnostError::Invalid("it is not an OTLP export in JSON");
                // Characters that cannot be stored are replaced, because a rejected span would be lost.
                let text = json::mend(&String::from_utf8_lossy(json::without_mark(&bytes)));
                drop((bytes, self.bytes));
                let count = count::json(&text).map_err(|error| rejected(error, invalid.clone()))?;
                let decoded = decode::json::<T>(&text).map_err(|NoExport| invalid)?;
                Ok((decoded, count.memory(length.max(text.len()))))
            }
        }
    }
}

impl From<UnpackError> for AgnostError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Malformed => Self::Invalid("it does not have its Content-Encoding"),
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

/// The number of records of an export that are not stored, and the reasons.
#[derive(Debug, Default)]
pub struct Partial {
    rejected: usize,
    reasons: Vec<&'static str>,
}

impl Partial {
    pub fn of_spans(rejected: Rejected) -> Self {
        let Rejected { malformed, nameless, too_large, over_budget } = rejected;
        Self::default()
            .and(malformed, "spans with a value or an id that OTLP does not allow, or with values nested too deeply, are not stored")
            .and(nameless, "spans need a trace id of 16 bytes and a span id of 8 bytes, and neither may be zero")
            .and(too_large, "a span must not need more than 2 MiB after its texts are shortened")
            .and(
                over_budget,
                "the export needs too many bytes; send fewer spans, or fewer attributes of their resource",
            )
    }

    pub fn of_logs(rejected: Rejected, unjoined: Unjoined) -> Self {
        let Rejected { malformed, nameless, too_large, over_budget } = rejected;
        Self::default()
            .and(malformed, "log records with a value or an id that OTLP does not allow, or with values nested too deeply, are not stored")
            .and(unjoined.other, "only log records with messages of a conversation are stored (gen_ai.*)")
            .and(nameless + unjoined.spanless, "log records need the ids of their trace and span")
            .and(too_large, "the log records of a span must not need more than 2 MiB")
            .and(over_budget, "the export needs too many bytes; send fewer log records")
    }

    /// Returns a partial success without rejected records, for an export that is accepted and not stored.
    pub fn dropped(why: &'static str) -> Self {
        Self { rejected: 0, reasons: vec![why] }
    }

    fn and(mut self, count: usize, why: &'static str) -> Self {
        if count > 0 {
            self.rejected += count;
            self.reasons.push(why);
        }
        self
    }
}

/// Returns the response to an export. `count` is the JSON name of the number of rejected records.
pub fn respond(encoding: Encoding, count: &'static str, partial: &Partial) -> Response {
    let Partial { rejected, reasons } = partial;
    // The partial success of every signal has the same two fields.
    let partial_success = (!reasons.is_empty()).then(|| ExportTracePartialSuccess {
        rejected_spans: i64::try_from(*rejected).unwrap_or(i64::MAX),
        error_message: reasons.join("; "),
    });
    let response = ExportTraceServiceResponse { partial_success };
    let bytes = match (encoding, &response.partial_success) {
        (Encoding::Protobuf, _) => response.encode_to_vec(),
        (Encoding::Json, None) => b"{}".to_vec(),
        // Protobuf's JSON writes an int64 as a string.
        (Encoding::Json, Some(partial)) => serde_json::json!({"partialSuccess": {
            count: partial.rejected_spans.to_string(),
            "errorMessage": partial.error_message,
        }})
        .to_string()
        .into_bytes(),
    };
    let mut response = bytes.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
    response
}
