//! Formats of times that more than one vendor uses.

use chrono::SecondsFormat;
use serde::{Serialize, Serializer};

use crate::domain::Timestamp;

/// A time with whole seconds: `2026-04-29T09:00:00Z`.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Timestamp);

/// A time with milliseconds, as JavaScript writes it: `2026-04-29T09:00:00.000Z`.
#[derive(Clone, Copy, Debug)]
pub struct Milliseconds(pub Timestamp);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
