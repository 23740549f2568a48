//! Counts the parts of an export in its encoded form before anything is built from it, because an empty part of a
//! message needs two bytes there and a hundred in memory.
//!
//! The elements of lists are counted (attributes, events, links, the values of arrays), because each of them is built
//! separately. An attribute and its value count as one part.

mod json;
#[cfg(test)]
mod tests;

pub use json::json;

use super::schema::{Member, Message, Signal};
use super::wire::{self, Malformed};

/// Spans in one export. The SDKs send 512 at once, and the Collector 8,192.
pub const SPAN_LIMIT: usize = 10_000;
/// Elements of all lists of an export, apart from its spans.
pub const PART_LIMIT: usize = 100_000;
/// Levels of nested messages; OTLP itself needs five for an attribute's value.
const DEPTH_LIMIT: usize = 40;

/// The number of parts of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub spans: usize,
    pub parts: usize,
    is_unlimited: bool,
}

/// Why an export is not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountError {
    TooManySpans,
    TooManyParts,
    /// In protobuf, only the span that is nested too deeply is rejected.
    TooDeep,
    Malformed,
}

impl Count {
    /// Returns the bytes of memory that are needed to build an export of so many unpacked bytes: for its texts, and for
    /// its structures in lists whose capacity is at most twice their length.
    pub fn memory(&self, unpacked: usize) -> usize {
        unpacked + 2 * (self.spans * 320 + self.parts * 112)
    }

    /// Returns the largest count of so many unpacked bytes, because a part needs at least two bytes.
    pub fn largest(unpacked: usize) -> Self {
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
}

/// Counts an export in protobuf. A malformed span, log record, resource or scope is counted as far as it can be read;
/// [`is_whole`] recognises it.
///
/// # Errors
/// [`CountError`] for the first limit that is exceeded, or [`CountError::Malformed`] if the bytes around the spans are
/// not a message.
pub fn protobuf(bytes: &[u8], signal: Signal) -> Result<Count, CountError> {
    let mut count = Count::default();
    walk(bytes, Message::Export(signal), 0, &mut count)?;
    Ok(count)
}

/// Returns whether a message can be read to its end, without a limit of its parts.
pub fn is_whole(bytes: &[u8], message: Message) -> bool {
    let mut count = Count { is_unlimited: true, ..Count::default() };
    // The depth of a span within an export.
    walk(bytes, message, 3, &mut count).is_ok()
}

/// Returns whether a malformed message of this type does not prevent reading its neighbours.
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
                // Of what spans share, the other fields are read.
                Err(CountError::Malformed | CountError::TooDeep)
                    if matches!(message, Message::Resource | Message::Scope) && !count.is_unlimited => {}
                walked => walked?,
            }
        }
    }
    Ok(())
}
