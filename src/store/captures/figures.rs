//! Numbers of events, latencies and errors, by time, kind and name.

use std::collections::BTreeMap;

use super::figure::{Figure, Grain, MAX_FIGURES, Read};
use super::{CaptureFilter, Captures, scan, totals};
use crate::store::{StoreError, scope};

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
    /// buckets and names in the window, not on the number of events. Otherwise the newest events are read, as many as
    /// a scan for the filter reads.
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

impl Read {
    fn figures(self) -> Figures {
        let complete = self.complete && !self.page.cut && (self.page.rows.len() as i64) < MAX_FIGURES;
        Figures { rows: self.page.rows, complete }
    }
}
