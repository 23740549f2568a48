//! Attributes as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde_json::{Map, Value};

use super::super::redaction::{REDACTED, is_secret};

/// Returns key-value pairs as an object, without the credentials among recorded headers
/// (`http.request.header.<name>`, OpenTelemetry's HTTP conventions).
pub fn members(attributes: &[KeyValue]) -> Map<String, Value> {
    let pair = |attribute: &KeyValue| {
        let name = mended(&attribute.key);
        let header = name.strip_prefix("http.request.header.").or_else(|| name.strip_prefix("http.response.header."));
        let secret = header.is_some_and(|header| is_secret(&header.replace('_', "-")));
        let value = if secret { Value::from(REDACTED) } else { value(attribute.value.as_ref()) };
        (name, value)
    };
    attributes.iter().map(pair).collect()
}

/// Returns a value as JSON: bytes in base64, and numbers that JSON lacks by their names.
pub fn value(any: Option<&AnyValue>) -> Value {
    match any.and_then(|any| any.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(text)) => Value::from(mended(text)),
        Some(Any::BoolValue(truth)) => Value::from(*truth),
        Some(Any::IntValue(number)) => Value::from(*number),
        Some(Any::DoubleValue(number)) if number.is_finite() => Value::from(*number),
        Some(Any::DoubleValue(number)) => Value::from(number.to_string()),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|any| value(Some(any))).collect(),
        Some(Any::KvlistValue(list)) => Value::Object(members(&list.values)),
        Some(Any::BytesValue(bytes)) => Value::from(STANDARD.encode(bytes)),
        Some(Any::StringValueStrindex(index)) => Value::from(*index),
    }
}

/// Returns a text that Postgres can store: U+0000 becomes U+FFFD.
pub fn mended(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Returns a string as it is, any other value as JSON, and `null` as the empty text.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns an object's members as attributes.
pub fn pairs(object: Map<String, Value>) -> Vec<KeyValue> {
    let pair = |(key, value)| KeyValue { key, value: Some(any(value)), key_strindex: 0 };
    object.into_iter().map(pair).collect()
}

fn any(value: Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(truth) => Some(Any::BoolValue(truth)),
        Value::Number(number) => {
            Some(number.as_i64().map_or_else(|| Any::DoubleValue(number.as_f64().unwrap_or_default()), Any::IntValue))
        }
        Value::String(text) => Some(Any::StringValue(text)),
        Value::Array(list) => Some(Any::ArrayValue(ArrayValue { values: list.into_iter().map(any).collect() })),
        Value::Object(object) => Some(Any::KvlistValue(KeyValueList { values: pairs(object) })),
    };
    AnyValue { value }
}
