//! The dashboard's figures, computed from sums per time, kind and name.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::shared::time::Milliseconds;
use crate::domain::Timestamp;
use crate::store::Figure;

/// Counts, errors and latencies of events.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Sums {
    count: i64,
    error_count: i64,
    /// 0 to 1; 1 without events.
    success_rate: f64,
    /// In milliseconds, of the events whose latency is known and at most a day.
    average_latency: f64,
    /// In milliseconds.
    max_latency: i64,
}

impl Sums {
    pub fn of<'f>(figures: impl IntoIterator<Item = &'f Figure>) -> Self {
        let (mut sums, mut latency, mut timed) = (Self::default(), 0.0, 0);
        for figure in figures {
            sums.count += figure.events;
            sums.error_count += figure.errors;
            sums.max_latency = sums.max_latency.max(figure.latency_max);
            latency += figure.latency_ms;
            timed += figure.events - figure.untimed;
        }
        let count = sums.count.max(1) as f64;
        sums.success_rate = 1.0 - sums.error_count as f64 / count;
        sums.average_latency = latency / timed.max(1) as f64;
        sums
    }
}

/// The sums of one bucket of time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Point {
    #[schema(value_type = String)]
    timestamp: Milliseconds,
    #[serde(flatten)]
    sums: Sums,
}

/// Names in one response.
pub const MAX_NAMES: usize = 500;
/// Points in time in one response.
pub const MAX_POINTS: usize = 10_000;

/// Returns one point per bucket with events, oldest first, of the newest [`MAX_POINTS`].
pub fn series<'f>(figures: impl IntoIterator<Item = &'f Figure>) -> Vec<Point> {
    let buckets = grouped(figures, |figure| figure.bucket);
    let oldest = buckets.len().saturating_sub(MAX_POINTS);
    buckets
        .into_iter()
        .skip(oldest)
        .map(|(bucket, figures): (Timestamp, _)| Point { timestamp: Milliseconds(bucket), sums: Sums::of(figures) })
        .collect()
}

/// The figures of one agent or tool.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Named {
    name: String,
    kind: String,
    #[serde(flatten)]
    sums: Sums,
}

/// Returns the figures per kind and name, the most frequent [`MAX_NAMES`] first.
pub fn by_name<'f>(figures: impl IntoIterator<Item = &'f Figure>) -> Vec<Named> {
    let mut named: Vec<Named> = grouped(figures, |figure| (figure.kind.as_str(), figure.name.as_str()))
        .into_iter()
        .map(|((kind, name), figures)| Named { name: name.to_owned(), kind: kind.to_owned(), sums: Sums::of(figures) })
        .collect();
    named.sort_by_key(|named| std::cmp::Reverse(named.sums.count));
    named.truncate(MAX_NAMES);
    named
}

impl Named {
    pub fn errors(&self) -> i64 {
        self.sums.error_count
    }
}

/// Groups figures by `key`, in the order of the keys.
pub fn grouped<'f, K: Ord>(
    figures: impl IntoIterator<Item = &'f Figure>,
    key: impl Fn(&'f Figure) -> K,
) -> BTreeMap<K, Vec<&'f Figure>> {
    let mut groups: BTreeMap<K, Vec<&Figure>> = BTreeMap::new();
    for figure in figures {
        groups.entry(key(figure)).or_default().push(figure);
    }
    groups
}

/// Returns whether it is a call of a tool, a resource or a prompt by an agent.
pub fn is_call(figure: &Figure) -> bool {
    matches!(figure.kind.as_str(), "tool" | "resource" | "prompt")
}
