//! Numbers of events, latencies and errors, by time, kind and name.

use std::collections::BTreeMap;

use super::{CaptureFilter, Captures, scan, totals};
use crate::domain::Timestamp;
use crate::store::bytes::{Page, Weighed, json_bytes};
use crate::store::{StoreError, scope};

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

/// How figures are grouped, besides by the kind of their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakdown {
    /// By day. The names are empty.
    Days,
    /// By name. The bucket is the beginning of the window.
    Names,
    /// By bucket and name.
    NamesOverTime(Grain),
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

#[derive(Clone, Debug)]
pub struct Figures {
    /// Newest bucket first; without buckets the most events first.
    pub rows: Vec<Figure>,
    /// Whether every event of the window was counted; otherwise only the newest were.
    pub complete: bool,
}

impl Figures {
    /// Returns the same figures by kind and name, without their times.
    #[must_use]
    pub fn by_name(&self) -> Self {
        Self { rows: regrouped(&self.rows, |figure| (figure.kind.clone(), figure.name.clone())), ..*self }
    }

    /// Returns the same figures by bucket and kind, newest first.
    #[must_use]
    pub fn by_time(&self) -> Self {
        let rows = regrouped(&self.rows, |figure| (figure.bucket, figure.kind.clone()));
        Self { rows: rows.into_iter().rev().map(|figure| Figure { name: String::new(), ..figure }).collect(), ..*self }
    }
}

/// Adds up figures of the same key, in the order of the keys.
fn regrouped<K: Ord>(figures: &[Figure], key: impl Fn(&Figure) -> K) -> Vec<Figure> {
    let mut groups: BTreeMap<K, Figure> = BTreeMap::new();
    for figure in figures {
        groups.entry(key(figure)).and_modify(|sum| sum.add(figure)).or_insert_with(|| figure.clone());
    }
    groups.into_values().collect()
}

/// The figures of an organization: over time, and by name.
#[derive(Clone, Debug)]
pub struct Overview {
    /// By day and kind; the names are empty.
    pub days: Figures,
    /// By kind and name, over the whole window.
    pub names: Figures,
}

impl Captures<'_> {
    /// Returns the events of a window that match a filter, summed up.
    ///
    /// If the totals are enough for the filter, they are read: those of whole months, days and hours, and single events
    /// for the hour in which the window begins. The figures are exact then, and their cost depends on the number of
    /// buckets and names in the window, not on the number of events. Otherwise the newest `SCAN_LIMIT` events are read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn figures(&self, filter: &CaptureFilter, breakdown: Breakdown) -> Result<Figures, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_scan(self.0.scans(), org).await?;
        let read = match breakdown.in_totals(filter) {
            Some(Breakdown::Days) => totals::by_day(&mut transaction, org, filter).await?,
            Some(Breakdown::Names) => totals::by_name(&mut transaction, org, filter).await?,
            Some(Breakdown::NamesOverTime(grain)) => totals::over_time(&mut transaction, org, filter, grain).await?,
            None => scan::figures(&mut transaction, org, filter, breakdown.grain()).await?,
        };
        if !read.page.cut {
            transaction.commit().await?;
        }
        let figures = read.figures();
        Ok(match (breakdown.in_totals(filter), breakdown) {
            (None, Breakdown::Days) => figures.by_time(),
            (None, Breakdown::Names) => figures.by_name(),
            _ => figures,
        })
    }

    /// Returns the events of a window that match a filter, summed up by day and by name. The figures are the same as
    /// those of two calls of [`Captures::figures`], but single events are read only once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn overview(&self, filter: &CaptureFilter) -> Result<Overview, StoreError> {
        if filter.is_by_name_only() {
            let days = self.figures(filter, Breakdown::Days).await?;
            return Ok(Overview { days, names: self.figures(filter, Breakdown::Names).await? });
        }
        let figures = self.figures(filter, Breakdown::NamesOverTime(Grain::Day)).await?;
        Ok(Overview { days: figures.by_time(), names: figures.by_name() })
    }
}

impl Breakdown {
    /// Returns the breakdown if the totals can be used for it.
    fn in_totals(self, filter: &CaptureFilter) -> Option<Self> {
        let is_known = !matches!(self, Self::NamesOverTime(Grain::Second | Grain::Minute));
        Some(self).filter(|_| is_known && filter.is_by_name_only())
    }

    /// Returns the bucket width in which single events are summed up for the breakdown.
    fn grain(self) -> Grain {
        match self {
            Self::NamesOverTime(grain) => grain,
            Self::Days | Self::Names => Grain::Day,
        }
    }
}

/// Figures as they were read.
pub(super) struct Read {
    pub page: Page<Figure>,
    /// Whether the statement left nothing out.
    pub complete: bool,
}

impl Read {
    fn figures(self) -> Figures {
        let complete = self.complete && !self.page.cut && (self.page.rows.len() as i64) < MAX_FIGURES;
        Figures { rows: self.page.rows, complete }
    }
}
