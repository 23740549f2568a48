//! Which of the two contracts applies to a capture (docs/adr/0006-two-contracts.md).
//!
//! The vendor's page wants UUIDs and users; the vendor's own clients send neither reliably, and what is refused to them
//! is a conversation lost. A request that carries any of the clients' own members is theirs and is held to what they do.

use chrono::TimeDelta;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AgnostError;
use crate::domain::{Contract, JsonFault, JsonField, JsonText, Timestamp, json};
use crate::http::{Rejection, parse_object};

/// Bytes of a stored event's JSON, and of a session's.
pub const STORED_LIMIT: usize = 2 * 1024 * 1024;
/// Bytes of an id.
pub const ID_LIMIT: usize = 2_048;
/// Milliseconds to the end of the year 9999, the last that every reader can write.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// What both contracts have a word about.
pub trait Capture: DeserializeOwned {
    /// Whether the request carries members that no page documents and the vendor's clients send.
    fn is_clients(&self) -> bool;
}

/// Reads a capture. U+0000 is rejected, except from the vendor's clients: their users' texts contain it, and it is
/// replaced by U+FFFD there. Half a surrogate pair is replaced in both contracts.
///
/// # Errors
/// The rejection that fits.
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
/// [`AgnostError::EventTooLarge`] past [`STORED_LIMIT`]: where credentials are taken out, what is left can be longer than
/// what was sent.
pub fn stored(detail: &impl Serialize) -> Result<JsonText, AgnostError> {
    json::within(detail, STORED_LIMIT).map_err(|_| Rejection::Internal)?.ok_or(AgnostError::EventTooLarge(STORED_LIMIT))
}

/// Milliseconds to March 1973. What is less is Unix time in seconds, or none.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

/// How far ahead of its arrival an event may have happened, because clocks differ.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// Returns a moment in Unix milliseconds.
///
/// # Errors
/// [`AgnostError::Invalid`] for what is none, and for a time in another unit, which would be filed in 1970 or in the year
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

/// How long before its arrival an event is filed whose own time is more than [`AHEAD`]: it is not known when it happened, so
/// that it is not listed before the newest of those whose time is known.
const FILED_BEFORE: TimeDelta = TimeDelta::minutes(1);

/// Returns when an event is filed, and the time that was sent where that is another: one of more than a day ahead is
/// filed under its arrival, because it would be the newest event for as long.
pub fn filed(at: Timestamp, now: Timestamp) -> (Timestamp, Option<i64>) {
    if at > now + AHEAD { (now - FILED_BEFORE, Some(at.timestamp_millis())) } else { (at, None) }
}

/// The moment so many milliseconds after 1970, up to the year 9999.
pub fn moment_at(milliseconds: i64) -> Option<Timestamp> {
    let milliseconds = Some(milliseconds).filter(|ms| (0..=LAST_MILLISECOND).contains(ms))?;
    Timestamp::from_timestamp_millis(milliseconds)
}
