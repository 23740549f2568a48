//! The messages of OTLP, as far as their parts are counted or their texts are repaired.

/// The signal of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Spans,
    LogRecords,
}

impl Signal {
    pub fn item(self) -> Message {
        match self {
            Self::Spans => Message::Span,
            Self::LogRecords => Message::LogRecord,
        }
    }
}

/// The messages that contain other messages, or texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Export(Signal),
    OfResource(Signal),
    Resource,
    EntityRef,
    OfScope(Signal),
    Scope,
    Span,
    Event,
    Link,
    Status,
    LogRecord,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

/// The content of a field that is not a single text, bytes or a number.
pub enum Member {
    /// An element of a list: a message, or a text.
    Element(Option<Message>),
    /// A span or a log record.
    Item(Message),
    /// A message that occurs once in its parent.
    Single(Message),
}

impl Message {
    pub fn member(self, number: u64) -> Option<Member> {
        use Member::{Element, Item, Single};
        let element = |message| Some(Element(Some(message)));
        match (self, number) {
            (Self::Export(signal), 1) => element(Self::OfResource(signal)),
            (Self::OfResource(_), 1) => Some(Single(Self::Resource)),
            (Self::OfResource(signal), 2) => element(Self::OfScope(signal)),
            (Self::Resource, 1) | (Self::Scope, 3) => element(Self::KeyValue),
            (Self::Resource, 3) => element(Self::EntityRef),
            (Self::EntityRef, 3 | 4) => Some(Element(None)),
            (Self::OfScope(_), 1) => Some(Single(Self::Scope)),
            (Self::OfScope(signal), 2) => Some(Item(signal.item())),
            (Self::Span, 9) | (Self::Event, 3) | (Self::Link, 4) | (Self::LogRecord, 6) => element(Self::KeyValue),
            (Self::Span, 11) => element(Self::Event),
            (Self::Span, 13) => element(Self::Link),
            (Self::Span, 15) => Some(Single(Self::Status)),
            (Self::KeyValue, 2) | (Self::LogRecord, 5) => Some(Single(Self::AnyValue)),
            (Self::AnyValue, 5) => Some(Single(Self::ArrayValue)),
            (Self::AnyValue, 6) => Some(Single(Self::KeyValueList)),
            (Self::ArrayValue, 1) => element(Self::AnyValue),
            (Self::KeyValueList, 1) => element(Self::KeyValue),
            _ => None,
        }
    }

    /// Returns whether a field is a text, which protobuf requires to be UTF-8.
    pub fn is_text(self, number: u64) -> bool {
        match self {
            Self::OfResource(_) | Self::OfScope(_) => number == 3,
            Self::EntityRef => (1..=4).contains(&number),
            Self::Scope => number == 1 || number == 2,
            Self::Span => number == 3 || number == 5,
            Self::Event | Self::Status => number == 2,
            Self::Link => number == 3,
            Self::LogRecord => number == 3 || number == 12,
            Self::KeyValue | Self::AnyValue => number == 1,
            Self::Export(_) | Self::Resource | Self::ArrayValue | Self::KeyValueList => false,
        }
    }
}
