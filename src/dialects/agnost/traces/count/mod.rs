//! How much an export holds, counted on the wire before anything is built from it: an empty part of a message takes two
//! bytes there and a hundred in memory.
//!
//! Counted are the elements of lists (attributes, events, links, the values of arrays), because each of them is built
//! on its own. A value of an attribute is part of the attribute.

mod json;
#[cfg(test)]
mod tests;

pub use json::json;

/// Spans in one export. The SDKs send 512 at once, the Collector 8,192.
pub const SPAN_LIMIT: usize = 10_000;
/// Elements of all lists of an export, apart from its spans.
pub const PART_LIMIT: usize = 100_000;
/// Messages within messages; OTLP itself needs five for an attribute's value.
const DEPTH_LIMIT: usize = 40;
/// Members of one object in JSON; OTLP's largest, a span, has 16.
const MEMBERS_PER_OBJECT: usize = 64;
/// Members of all objects in JSON: an attribute has three, a span 16.
const MEMBER_LIMIT: usize = 3 * PART_LIMIT + 16 * SPAN_LIMIT + 40_000;

/// What an export holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub spans: usize,
    pub parts: usize,
    members: usize,
}

/// Why an export is not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountError {
    TooManySpans,
    TooManyParts,
    TooDeep,
    Malformed,
}

impl Count {
    /// Bytes that are needed to build an export of so many unpacked bytes: its texts, and its structures in lists that
    /// have grown to at most twice their length.
    pub fn memory(&self, unpacked: usize) -> usize {
        unpacked + 2 * (self.spans * 320 + self.parts * 112)
    }

    /// Returns the largest count that so many unpacked bytes can have: a part takes two bytes at least.
    pub fn most(unpacked: usize) -> Self {
        let elements = unpacked / 2;
        Self { spans: elements.min(SPAN_LIMIT), parts: elements.min(PART_LIMIT), members: 0 }
    }

    fn span(&mut self) -> Result<(), CountError> {
        self.spans += 1;
        if self.spans > SPAN_LIMIT { Err(CountError::TooManySpans) } else { Ok(()) }
    }

    fn part(&mut self) -> Result<(), CountError> {
        self.parts += 1;
        if self.parts > PART_LIMIT { Err(CountError::TooManyParts) } else { Ok(()) }
    }

    fn member(&mut self) -> Result<(), CountError> {
        self.members += 1;
        if self.members > MEMBER_LIMIT { Err(CountError::TooManyParts) } else { Ok(()) }
    }
}

/// Counts an export in protobuf.
///
/// # Errors
/// [`CountError`] for the first limit that is exceeded, or where the bytes are no message.
pub fn protobuf(bytes: &[u8]) -> Result<Count, CountError> {
    let mut count = Count::default();
    walk(bytes, Message::Export, 0, &mut count)?;
    Ok(count)
}

/// The messages of OTLP that hold others.
#[derive(Clone, Copy)]
enum Message {
    Export,
    ResourceSpans,
    Resource,
    EntityRef,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

/// What a field of a message is, where it is not merely text, bytes or a number.
enum Field {
    /// An element of a list: a message, or a text.
    Element(Option<Message>),
    Span,
    /// A message that its parent has once.
    Single(Message),
}

impl Message {
    fn field(self, number: u64) -> Option<Field> {
        use Field::{Element, Single, Span};
        let element = |message| Some(Element(Some(message)));
        match (self, number) {
            (Self::Export, 1) => element(Self::ResourceSpans),
            (Self::ResourceSpans, 1) => Some(Single(Self::Resource)),
            (Self::ResourceSpans, 2) => element(Self::ScopeSpans),
            (Self::Resource, 1) | (Self::Scope, 3) => element(Self::KeyValue),
            (Self::Resource, 3) => element(Self::EntityRef),
            (Self::EntityRef, 3 | 4) => Some(Element(None)),
            (Self::ScopeSpans, 1) => Some(Single(Self::Scope)),
            (Self::ScopeSpans, 2) => Some(Span),
            (Self::Span, 9) | (Self::Event, 3) | (Self::Link, 4) => element(Self::KeyValue),
            (Self::Span, 11) => element(Self::Event),
            (Self::Span, 13) => element(Self::Link),
            (Self::KeyValue, 2) => Some(Single(Self::AnyValue)),
            (Self::AnyValue, 5) => Some(Single(Self::ArrayValue)),
            (Self::AnyValue, 6) => Some(Single(Self::KeyValueList)),
            (Self::ArrayValue, 1) => element(Self::AnyValue),
            (Self::KeyValueList, 1) => element(Self::KeyValue),
            _ => None,
        }
    }
}

fn walk(mut bytes: &[u8], message: Message, depth: usize, count: &mut Count) -> Result<(), CountError> {
    if depth > DEPTH_LIMIT {
        return Err(CountError::TooDeep);
    }
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if number == 0 || tag > u64::from(u32::MAX) {
            return Err(CountError::Malformed);
        }
        match wire_type {
            0 => drop(varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            5 => drop(take(&mut bytes, 4)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).map_err(|_| CountError::Malformed)?;
                let inner = take(&mut bytes, length)?;
                let within = match message.field(number) {
                    None => None,
                    Some(Field::Single(within)) => Some(within),
                    Some(Field::Element(within)) => {
                        count.part()?;
                        within
                    }
                    Some(Field::Span) => {
                        count.span()?;
                        Some(Message::Span)
                    }
                };
                if let Some(within) = within {
                    walk(inner, within, depth + 1, count)?;
                }
            }
            // Groups: no version of OTLP has any.
            _ => return Err(CountError::Malformed),
        }
    }
    Ok(())
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Result<&'b [u8], CountError> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(CountError::Malformed)?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, CountError> {
    let mut value = 0u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first().ok_or(CountError::Malformed)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            // The tenth byte has room for one bit.
            return if place == 9 && byte > 1 { Err(CountError::Malformed) } else { Ok(value) };
        }
    }
    Err(CountError::Malformed)
}
