//! Which of the two contracts applies to a capture (docs/adr/0006-two-contracts.md).
//!
//! The vendor's page requires UUIDs and users. The vendor's own clients send neither reliably, and a rejected request
//! of theirs would lose a conversation. Therefore the observed contract applies to a request with any member that only
//! these clients send.

use chrono::TimeDelta;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AgnostError;
pub use crate::domain::calendar::moment_at;
use crate::domain::{Contract, JsonFault, JsonField, JsonText, Timestamp, json};
use crate::http::{Rejection, parse_object};

/// Bytes of a stored event's JSON, and of a session's.
pub const STORED_LIMIT: usize = 2 * 1024 * 1024;
/// Bytes of an id.
pub const ID_LIMIT: usize = 2_048;

/// A capture, to which one of the two contracts applies.
pub trait Capture: DeserializeOwned {
    /// Returns whether the request has members that the vendor's clients send and no page documents.
    fn is_clients(&self) -> bool;
}

/// Reads a capture. U+0000 is rejected, except from the vendor's clients, because their users' texts may contain it;
/// there it is replaced by U+FFFD. Half a surrogate pair is replaced in both contracts.
///
/// # Errors
/// The rejection of [`parse_object`] if the body is not valid.
pub fn read<C: Capture>(bytes: &[u8], configured: Contract) -> Result<(C, Contract), Rejection> {
    let contract = |capture: &C| if capture.is_clients() { Contract::Observed } else { configured };
    match parse_object::<C>(bytes) {
        Ok(capture) => {
            let contract = contract(&capture);
            Ok((capture, contract))
        }
        Err(fault @ Rejection::MalformedJson(JsonFault::Nul)) => {
            let text = std::str::from_utf8(bytes).map_err(|_| fault.clone())?;
            let capture: C = parse_object(json::mend(text).as_bytes())?;
            match contract(&capture) {
                Contract::Observed => Ok((capture, Contract::Observed)),
                Contract::Documented => Err(fault),
            }
        }
        Err(rejection) => Err(rejection),
    }
}

/// Writes what is stored of a capture.
///
/// # Errors
/// [`AgnostError::EventTooLarge`] beyond [`STORED_LIMIT`]. The result can be longer than what was sent, because
/// credentials are replaced.
pub fn stored(detail: &impl Serialize) -> Result<JsonText, AgnostError> {
    json::within(detail, STORED_LIMIT).map_err(|_| Rejection::Internal)?.ok_or(AgnostError::EventTooLarge(STORED_LIMIT))
}

/// Milliseconds to March 1973. A smaller number is Unix time in seconds, or not a time.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

/// How far ahead of its arrival an event's time may be, because clocks differ.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// Returns the time of a number of Unix milliseconds.
///
/// # Errors
/// [`AgnostError::Invalid`] if it is not a time, or has another unit, because it would be listed in 1970 or in the year
/// 50,000.
pub fn moment(given: &JsonField) -> Result<Timestamp, AgnostError> {
    let number = given.as_i64().filter(|number| *number >= 0);
    match number.ok_or(AgnostError::Invalid("timestamp must be Unix time in milliseconds"))? {
        number if number < FIRST_MILLISECOND => {
            Err(AgnostError::Invalid("timestamp must be Unix time in milliseconds; this looks like seconds"))
        }
        number => moment_at(number).ok_or(AgnostError::Invalid(
            "timestamp must be Unix time in milliseconds; this looks like microseconds or nanoseconds",
        )),
    }
}

/// An event whose own time is more than [`AHEAD`] of its arrival is listed this long before its arrival. Its real time
/// is unknown, so it must not be listed as the newest of the events whose time is known.
const FILED_BEFORE: TimeDelta = TimeDelta::minutes(1);

/// Returns the time under which an event is listed, and the time that was sent if it differs. A time more than a day
/// ahead is replaced by one shortly before the arrival, because the event would otherwise be the newest until then.
pub fn filed(at: Timestamp, now: Timestamp) -> (Timestamp, Option<i64>) {
    if at > now + AHEAD { (now - FILED_BEFORE, Some(at.timestamp_millis())) } else { (at, None) }
}
