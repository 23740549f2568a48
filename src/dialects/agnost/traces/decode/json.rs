//! Reads exports in protobuf's JSON in all forms that its rules allow: members by either name, `null` for an absent
//! member, numbers as strings, enumerations by name or number, base64 of either alphabet with or without padding. The
//! ids of traces and spans are hexadecimal, as OTLP requires.

mod scalars;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use self::scalars::{Base64, Hex, Real, Signed, SpanKind, StatusCode, Unsigned};
use super::super::scan;
use super::{Decoded, Item, NoExport, OfResource, OfScope};

/// Reads an export that has been counted.
///
/// # Errors
/// [`NoExport`] if it is not an object, its list is not a list, or it is not JSON and no span of it can be read.
pub fn json<T: Item>(text: &str) -> Result<Decoded<T>, NoExport> {
    let mut decoded = Decoded::default();
    let [list, _] = members(text, T::LISTS[0], "").ok_or(NoExport)?;
    for source in elements(list).ok_or(NoExport)? {
        match of_resource(source, &mut decoded) {
            Some(source) => decoded.sources.push(source),
            None => decoded.malformed += 1,
        }
    }
    let has_items = decoded.sources.iter().flat_map(|source| &source.scopes).any(|scoped| !scoped.items.is_empty());
    // Reading over a value does not call itself, however deep it is.
    if has_items || serde_json::from_str::<IgnoredAny>(text).is_ok() { Ok(decoded) } else { Err(NoExport) }
}

fn of_resource<T: Item>(text: &str, decoded: &mut Decoded<T>) -> Option<OfResource<T>> {
    let [list, resource] = members(text, T::LISTS[1], "resource")?;
    let mut source = OfResource { resource: resource.and_then(read_resource), scopes: vec![] };
    for scoped in elements(list)? {
        match of_scope(scoped, decoded) {
            Some(scoped) => source.scopes.push(scoped),
            None => decoded.malformed += 1,
        }
    }
    Some(source)
}

fn of_scope<T: Item>(text: &str, decoded: &mut Decoded<T>) -> Option<OfScope<T>> {
    let [list, scope] = members(text, T::LISTS[2], "scope")?;
    let mut scoped = OfScope { scope: scope.and_then(read_scope), items: vec![] };
    for item in elements(list)? {
        match T::from_json(item) {
            Some(item) => scoped.items.push(item),
            None => decoded.malformed += 1,
        }
    }
    Some(scoped)
}

/// Reads a resource; of one with an odd attribute, the others.
fn read_resource(text: &str) -> Option<Resource> {
    read::<JsonResource>(text).map(Into::into).or_else(|| {
        let (attributes, dropped_attributes_count) = good_attributes(text)?;
        Some(Resource { attributes, dropped_attributes_count, ..Resource::default() })
    })
}

/// Reads a scope; of one with an odd attribute, the others.
fn read_scope(text: &str) -> Option<InstrumentationScope> {
    read::<JsonScope>(text).map(Into::into).or_else(|| {
        let (attributes, dropped_attributes_count) = good_attributes(text)?;
        let named = |name| {
            let [_, found] = members(text, ["", ""], name)?;
            serde_json::from_str(found?).ok()
        };
        let (name, version) = (named("name").unwrap_or_default(), named("version").unwrap_or_default());
        Some(InstrumentationScope { name, version, attributes, dropped_attributes_count })
    })
}

/// Returns the attributes of an object that can be read, and the number of those that cannot.
fn good_attributes(object: &str) -> Option<(Vec<KeyValue>, u32)> {
    let [list, _] = members(object, ["attributes", "attributes"], "")?;
    let list = elements(list)?;
    let good: Vec<KeyValue> = list.iter().filter_map(|text| read::<JsonKeyValue>(text)).map(Into::into).collect();
    let dropped = u32::try_from(list.len() - good.len()).unwrap_or(u32::MAX);
    Some((good, dropped))
}

pub(super) fn span(text: &str) -> Option<Span> {
    read::<JsonSpan>(text).map(Into::into)
}

pub(super) fn log_record(text: &str) -> Option<LogRecord> {
    read::<JsonLogRecord>(text).map(Into::into)
}

/// Returns an object's list, by either of its names, and another member, or `None` if it is not an object.
fn members<'t>(object: &'t str, list: [&str; 2], other: &str) -> Option<[Option<&'t str>; 2]> {
    let mut found = [None, None];
    let take = |name: &str, value: &'t str| {
        if list.contains(&name) {
            found[0] = Some(value);
        } else if name == other {
            found[1] = Some(value);
        }
    };
    scan::members(object, take)?;
    Some(found)
}

/// Returns the elements of a list, none if it is absent or `null`, or `None` if it is not a list.
fn elements(list: Option<&str>) -> Option<Vec<&str>> {
    match list {
        None | Some("null") => Some(Vec::new()),
        Some(list) => scan::elements(list),
    }
}

/// Reads an object. The first character is checked because serde would also accept a list of its members' values.
fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Option<T> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Reads a member that may be `null`.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a list that may be `null` and may have `null` elements.
fn list<'de, D: Deserializer<'de>, J: Deserialize<'de> + Into<T>, T>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list: Option<Vec<Option<J>>> = Option::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().flatten().map(Into::into).collect())
}

fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeyValue>, D::Error> {
    list::<D, JsonKeyValue, KeyValue>(deserializer)
}

/// Declares a message: its members with their types and conversions. Each member may be absent or `null`, and may have
/// its name in camel case or as in the schema.
macro_rules! message {
    ($json:ident => $message:ident { $($member:ident / $alias:literal : $type:ty = $with:literal => $become:expr),* $(,)? }) => {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct $json {
            $(#[serde(alias = $alias, deserialize_with = $with)] $member: $type,)*
        }

        impl From<$json> for $message {
            #[allow(
                clippy::redundant_closure_call,
                clippy::needless_update,
                reason = "each member names its conversion, and some messages have members that are not read"
            )]
            fn from(json: $json) -> Self {
                Self { $($member: ($become)(json.$member),)* ..Self::default() }
            }
        }
    };
}

message!(JsonResource => Resource {
    attributes / "attributes": Vec<KeyValue> = "pairs" => |list| list,
    dropped_attributes_count / "dropped_attributes_count": Unsigned = "nullable" => Unsigned::narrow,
});

message!(JsonScope => InstrumentationScope {
    name / "name": String = "nullable" => |text| text,
    version / "version": String = "nullable" => |text| text,
    attributes / "attributes": Vec<KeyValue> = "pairs" => |list| list,
    dropped_attributes_count / "dropped_attributes_count": Unsigned = "nullable" => Unsigned::narrow,
});

message!(JsonSpan => Span {
    trace_id / "trace_id": Hex = "nullable" => |id: Hex| id.0,
    span_id / "span_id": Hex = "nullable" => |id: Hex| id.0,
    trace_state / "trace_state": String = "nullable" => |text| text,
    parent_span_id / "parent_span_id": Hex = "nullable" => |id: Hex| id.0,
    flags / "flags": Unsigned = "nullable" => Unsigned::narrow,
    name / "name": String = "nullable" => |text| text,
    kind / "kind": SpanKind = "nullable" => |kind: SpanKind| kind.0,
    start_time_unix_nano / "start_time_unix_nano": Unsigned = "nullable" => |time: Unsigned| time.0,
    end_time_unix_nano / "end_time_unix_nano": Unsigned = "nullable" => |time: Unsigned| time.0,
    attributes / "attributes": Vec<KeyValue> = "pairs" => |list| list,
    dropped_attributes_count / "dropped_attributes_count": Unsigned = "nullable" => Unsigned::narrow,
    events / "events": Vec<Event> = "list::<_, JsonEvent, _>" => |list| list,
    dropped_events_count / "dropped_events_count": Unsigned = "nullable" => Unsigned::narrow,
    links / "links": Vec<Link> = "list::<_, JsonLink, _>" => |list| list,
    dropped_links_count / "dropped_links_count": Unsigned = "nullable" => Unsigned::narrow,
    status / "status": Option<JsonStatus> = "nullable" => |status: Option<JsonStatus>| status.map(Into::into),
});

message!(JsonEvent => Event {
    time_unix_nano / "time_unix_nano": Unsigned = "nullable" => |time: Unsigned| time.0,
    name / "name": String = "nullable" => |text| text,
    attributes / "attributes": Vec<KeyValue> = "pairs" => |list| list,
    dropped_attributes_count / "dropped_attributes_count": Unsigned = "nullable" => Unsigned::narrow,
});

message!(JsonLink => Link {
    trace_id / "trace_id": Hex = "nullable" => |id: Hex| id.0,
    span_id / "span_id": Hex = "nullable" => |id: Hex| id.0,
    trace_state / "trace_state": String = "nullable" => |text| text,
    attributes / "attributes": Vec<KeyValue> = "pairs" => |list| list,
    dropped_attributes_count / "dropped_attributes_count": Unsigned = "nullable" => Unsigned::narrow,
    flags / "flags": Unsigned = "nullable" => Unsigned::narrow,
});

message!(JsonStatus => Status {
    message / "message": String = "nullable" => |text| text,
    code / "code": StatusCode = "nullable" => |code: StatusCode| code.0,
});

message!(JsonLogRecord => LogRecord {
    time_unix_nano / "time_unix_nano": Unsigned = "nullable" => |time: Unsigned| time.0,
    observed_time_unix_nano / "observed_time_unix_nano": Unsigned = "nullable" => |time: Unsigned| time.0,
    severity_text / "severity_text": String = "nullable" => |text| text,
    body / "body": Option<JsonValue> = "nullable" => |body: Option<JsonValue>| body.map(Into::into),
    attributes / "attributes": Vec<KeyValue> = "pairs" => |list| list,
    dropped_attributes_count / "dropped_attributes_count": Unsigned = "nullable" => Unsigned::narrow,
    flags / "flags": Unsigned = "nullable" => Unsigned::narrow,
    trace_id / "trace_id": Hex = "nullable" => |id: Hex| id.0,
    span_id / "span_id": Hex = "nullable" => |id: Hex| id.0,
    event_name / "event_name": String = "nullable" => |text| text,
});

message!(JsonKeyValue => KeyValue {
    key / "key": String = "nullable" => |text| text,
    value / "value": Option<JsonValue> = "nullable" => |value: Option<JsonValue>| value.map(Into::into),
});

/// A value. If several members are set, the first of them is used.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonValue {
    #[serde(alias = "string_value")]
    string_value: Option<String>,
    #[serde(alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(alias = "int_value")]
    int_value: Option<Signed>,
    #[serde(alias = "double_value")]
    double_value: Option<Real>,
    #[serde(alias = "array_value")]
    array_value: Option<JsonArray>,
    #[serde(alias = "kvlist_value")]
    kvlist_value: Option<JsonList>,
    #[serde(alias = "bytes_value")]
    bytes_value: Option<Base64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonArray {
    #[serde(deserialize_with = "list::<_, JsonValue, _>")]
    values: Vec<AnyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonList {
    #[serde(deserialize_with = "pairs")]
    values: Vec<KeyValue>,
}

impl From<JsonValue> for AnyValue {
    fn from(json: JsonValue) -> Self {
        let value = None
            .or(json.string_value.map(Any::StringValue))
            .or(json.bool_value.map(Any::BoolValue))
            .or(json.int_value.map(|number| Any::IntValue(number.0)))
            .or(json.double_value.map(|number| Any::DoubleValue(number.0)))
            .or(json.array_value.map(|array| Any::ArrayValue(ArrayValue { values: array.values })))
            .or(json.kvlist_value.map(|list| Any::KvlistValue(KeyValueList { values: list.values })))
            .or(json.bytes_value.map(|bytes| Any::BytesValue(bytes.0)));
        Self { value }
    }
}
