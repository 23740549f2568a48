//! Reads exports. Each span and each log record is read separately, so that a malformed one is counted and its
//! neighbours are not lost.

mod json;
mod protobuf;
#[cfg(test)]
mod tests;

pub use json::json;
pub use protobuf::protobuf;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::schema::Signal;

/// The body is not an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoExport;

/// The readable parts of an export.
#[derive(Debug, PartialEq)]
pub struct Decoded<T> {
    pub sources: Vec<OfResource<T>>,
    /// Spans or log records that could not be read.
    pub malformed: usize,
    /// Bytes by which texts grew when invalid UTF-8 was replaced.
    pub grown: usize,
}

impl<T> Default for Decoded<T> {
    fn default() -> Self {
        Self { sources: Vec::new(), malformed: 0, grown: 0 }
    }
}

/// The records of one resource.
#[derive(Debug, PartialEq)]
pub struct OfResource<T> {
    pub resource: Option<Resource>,
    pub scopes: Vec<OfScope<T>>,
}

/// The records of one instrumentation scope.
#[derive(Debug, PartialEq)]
pub struct OfScope<T> {
    pub scope: Option<InstrumentationScope>,
    pub items: Vec<T>,
}

/// An exported record: a span or a log record.
pub trait Item: prost::Message + Default {
    const SIGNAL: Signal;
    /// The names of an export's lists in JSON, from the outside in.
    const LISTS: [[&'static str; 2]; 3];

    /// Reads a record in JSON. Returns `None` if a part of it is not valid.
    fn from_json(text: &str) -> Option<Self>;
}

impl Item for Span {
    const SIGNAL: Signal = Signal::Spans;
    const LISTS: [[&'static str; 2]; 3] =
        [["resourceSpans", "resource_spans"], ["scopeSpans", "scope_spans"], ["spans", "spans"]];

    fn from_json(text: &str) -> Option<Self> {
        json::span(text)
    }
}

impl Item for LogRecord {
    const SIGNAL: Signal = Signal::LogRecords;
    const LISTS: [[&'static str; 2]; 3] =
        [["resourceLogs", "resource_logs"], ["scopeLogs", "scope_logs"], ["logRecords", "log_records"]];

    fn from_json(text: &str) -> Option<Self> {
        json::log_record(text)
    }
}
