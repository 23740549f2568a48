//! How much an export holds, counted on the wire before anything is built from it: an empty part of a message takes two
//! bytes there and a hundred in memory.
//!
//! Counted are the elements of lists (attributes, events, links, the values of arrays), because each of them is built
//! on its own. A value of an attribute is part of the attribute.

mod json;
#[cfg(test)]
mod tests;

pub use json::json;

use super::schema::{Member, Message, Signal};
use super::wire::{self, Malformed};

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
    is_unlimited: bool,
}

/// Why an export is not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountError {
    TooManySpans,
    TooManyParts,
    /// In protobuf it is contained in the span that is.
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
        Self { spans: elements.min(SPAN_LIMIT), parts: elements.min(PART_LIMIT), ..Self::default() }
    }

    fn span(&mut self) -> Result<(), CountError> {
        self.spans += 1;
        if self.spans > SPAN_LIMIT && !self.is_unlimited { Err(CountError::TooManySpans) } else { Ok(()) }
    }

    fn part(&mut self) -> Result<(), CountError> {
        self.parts += 1;
        if self.parts > PART_LIMIT && !self.is_unlimited { Err(CountError::TooManyParts) } else { Ok(()) }
    }

    fn member(&mut self) -> Result<(), CountError> {
        self.members += 1;
        if self.members > MEMBER_LIMIT { Err(CountError::TooManyParts) } else { Ok(()) }
    }
}

/// Counts an export in protobuf. A span, a log record, a resource or a scope that is malformed is counted as far as it
/// can be read; [`is_whole`] tells it apart.
///
/// # Errors
/// [`CountError`] for the first limit that is exceeded, or where the bytes around the spans are no message.
pub fn protobuf(bytes: &[u8], signal: Signal) -> Result<Count, CountError> {
    let mut count = Count::default();
    walk(bytes, Message::Export(signal), 0, &mut count)?;
    Ok(count)
}

/// Whether a message can be read to its end, without regard to how much it contains.
pub fn is_whole(bytes: &[u8], message: Message) -> bool {
    let mut count = Count { is_unlimited: true, ..Count::default() };
    // As deep as it is within an export.
    walk(bytes, message, 3, &mut count).is_ok()
}

/// Whether what is malformed in a message of this type is contained: its neighbours are read all the same.
fn is_contained(message: Message) -> bool {
    matches!(message, Message::Resource | Message::Scope | Message::Span | Message::LogRecord)
}

fn walk(mut bytes: &[u8], message: Message, depth: usize, count: &mut Count) -> Result<(), CountError> {
    if depth > DEPTH_LIMIT {
        return Err(CountError::TooDeep);
    }
    while let Some(field) = wire::next(&mut bytes).map_err(|Malformed| CountError::Malformed)? {
        let Some(inner) = field.content else { continue };
        let within = match message.member(field.number) {
            None => None,
            Some(Member::Single(within)) => Some(within),
            Some(Member::Element(within)) => {
                count.part()?;
                within
            }
            Some(Member::Item(within)) => {
                count.span()?;
                Some(within)
            }
        };
        if let Some(within) = within {
            match walk(inner, within, depth + 1, count) {
                Err(CountError::Malformed | CountError::TooDeep) if is_contained(within) => {}
                walked => walked?,
            }
        }
    }
    Ok(())
}
