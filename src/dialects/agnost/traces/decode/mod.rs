//! Exports, read so that nothing good is lost beside something bad: each span and each log record is read on its own,
//! and one that cannot be read is counted.

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

/// The body is no export at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoExport;

/// What an export contains, as far as it could be read.
#[derive(Debug, PartialEq)]
pub struct Decoded<T> {
    pub sources: Vec<OfResource<T>>,
    /// Spans or log records that could not be read.
    pub malformed: usize,
    /// Bytes by which texts grew when what is no UTF-8 in them was replaced.
    pub grown: usize,
}

impl<T> Default for Decoded<T> {
    fn default() -> Self {
        Self { sources: Vec::new(), malformed: 0, grown: 0 }
    }
}

/// What one resource sent.
#[derive(Debug, PartialEq)]
pub struct OfResource<T> {
    pub resource: Option<Resource>,
    pub scopes: Vec<OfScope<T>>,
}

/// What one instrumentation scope sent.
#[derive(Debug, PartialEq)]
pub struct OfScope<T> {
    pub scope: Option<InstrumentationScope>,
    pub items: Vec<T>,
}

/// What is exported: a span or a log record.
pub trait Item: prost::Message + Default {
    const SIGNAL: Signal;
    /// The names of an export's lists in JSON, from the outside in.
    const LISTS: [[&'static str; 2]; 3];

    /// Reads one in JSON; `None` where a part of it is not what it must be.
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
