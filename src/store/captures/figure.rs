//! One figure: the sums of one bucket of time, kind and name.

use crate::domain::Timestamp;
use crate::store::bytes::{Page, Weighed, json_bytes};

/// Limit of figures in one response. Only an organization with a different name for nearly every event has more. Then
/// the oldest figures are missing, or the rarest if the figures are not by time.
pub(super) const MAX_FIGURES: i64 = 50_000;
/// Limit of the bytes of figures in memory. Only an organization with very many event names reaches it.
pub(super) const FIGURE_BYTES: usize = 16 * 1024 * 1024;

/// The width of the buckets in which events are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Second,
    Minute,
    Hour,
    Day,
}

impl Grain {
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// Returns the unit's name in Postgres's `date_trunc`.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// The sums of one bucket, kind and name.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub bucket: Timestamp,
    pub kind: String,
    pub name: String,
    pub events: i64,
    pub errors: i64,
    /// Events without a latency, or with one longer than a day, which does not count.
    pub untimed: i64,
    /// The sum over all other events, in milliseconds.
    pub latency_ms: f64,
    pub latency_max: i64,
}

impl Figure {
    /// Adds the events of another figure.
    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.errors += other.errors;
        self.untimed += other.untimed;
        self.latency_ms += other.latency_ms;
        self.latency_max = self.latency_max.max(other.latency_max);
    }
}

impl Weighed for Figure {
    fn text_bytes(&self) -> usize {
        json_bytes(&self.kind) + json_bytes(&self.name)
    }
}

/// Figures as they were read.
pub(super) struct Read {
    pub page: Page<Figure>,
    /// Whether the statement left nothing out.
    pub complete: bool,
}
