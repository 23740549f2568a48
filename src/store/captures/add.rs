//! Sums up captured events in the transaction that writes them.

use std::collections::BTreeMap;

use chrono::{DurationRound, TimeDelta};
use sqlx::PgConnection;
use uuid::Uuid;

use super::request::CaptureRequest;
use crate::domain::{OrgId, Timestamp};

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'r> {
    org: Uuid,
    daily: bool,
    bucket: Timestamp,
    kind: &'r str,
    name: &'r str,
}

#[derive(Default)]
struct Sums {
    events: i64,
    errors: i64,
    untimed: i64,
    latency: i64,
    longest: i64,
}

/// The fields of an event that are summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summed {
    pub org: OrgId,
    pub at: Timestamp,
    pub kind: String,
    pub name: String,
    pub success: bool,
    pub latency_ms: i64,
    pub is_timed: bool,
}

/// The sums that a batch adds, in the order of the rows.
///
/// Each connection adds to rows of its own, because writers would otherwise wait for each other's COMMIT. Rows that two
/// connections still share are locked in one order. [`super::fold`] adds the rows up once their buckets are over.
#[derive(Default)]
pub struct Totals<'r>(BTreeMap<Key<'r>, Sums>);

impl<'r> Totals<'r> {
    pub fn of(fresh: &[&'r CaptureRequest]) -> Self {
        let mut totals = Self::default();
        for request in fresh {
            let facts = &request.capture.facts;
            let latency = (facts.latency_ms, facts.is_timed);
            totals.sum(
                (request.org, facts.at),
                (&request.capture.event.kind, facts.indexed_name()),
                facts.success,
                latency,
                1,
            );
        }
        totals
    }

    /// Adds an event as it is now, and subtracts what was added for it before.
    pub fn replace(&mut self, before: &'r Summed, after: &'r Summed) {
        for (event, sign) in [(before, -1), (after, 1)] {
            let latency = (event.latency_ms, event.is_timed);
            self.sum((event.org, event.at), (&event.kind, &event.name), event.success, latency, sign);
        }
    }

    fn sum(
        &mut self,
        (org, at): (OrgId, Timestamp),
        (kind, name): (&'r str, &'r str),
        success: bool,
        (latency_ms, is_timed): (i64, bool),
        sign: i64,
    ) {
        let latency_ms = if is_timed { latency_ms } else { 0 };
        for (daily, bucket) in [(false, TimeDelta::hours(1)), (true, TimeDelta::days(1))] {
            let bucket = at.duration_trunc(bucket).unwrap_or(at);
            let sums = self.0.entry(Key { org: org.0, daily, bucket, kind, name }).or_default();
            sums.events += sign;
            sums.errors += sign * i64::from(!success);
            sums.untimed += sign * i64::from(!is_timed);
            sums.latency = sums.latency.saturating_add(sign * latency_ms);
            sums.longest = sums.longest.max(if sign > 0 { latency_ms } else { 0 });
        }
    }

    pub async fn add(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let new = TotalsColumns::of(&self);
        sqlx::query!(
            "INSERT INTO captured_totals AS t (org_id, daily, bucket, kind, name, shard, events, errors, untimed,
                                               latency_ms, latency_max)
             SELECT org_id, daily, bucket, kind, name, (pg_backend_pid() % 32)::smallint, events, errors, untimed,
                    latency_ms, latency_max
               FROM UNNEST($1::uuid[], $2::boolean[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[],
                           $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
                 AS new (org_id, daily, bucket, kind, name, events, errors, untimed, latency_ms, latency_max)
                 ON CONFLICT (org_id, daily, bucket, kind, name, shard)
                 DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                               untimed = t.untimed + EXCLUDED.untimed,
                               latency_ms = t.latency_ms + EXCLUDED.latency_ms,
                               latency_max = GREATEST(t.latency_max, EXCLUDED.latency_max)",
            &new.orgs,
            &new.daily,
            &new.buckets,
            &new.kinds as &[&str],
            &new.names as &[&str],
            &new.events,
            &new.errors,
            &new.untimed,
            &new.latencies,
            &new.longest
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Sums as the columns of a statement.
pub(super) struct TotalsColumns<'t> {
    pub orgs: Vec<Uuid>,
    pub daily: Vec<bool>,
    pub buckets: Vec<Timestamp>,
    pub kinds: Vec<&'t str>,
    pub names: Vec<&'t str>,
    pub events: Vec<i64>,
    pub errors: Vec<i64>,
    pub untimed: Vec<i64>,
    pub latencies: Vec<i64>,
    pub longest: Vec<i64>,
}

impl<'t> TotalsColumns<'t> {
    pub fn of(totals: &'t Totals<'_>) -> Self {
        let (keys, sums) = (|| totals.0.keys(), || totals.0.values());
        Self {
            orgs: keys().map(|key| key.org).collect(),
            daily: keys().map(|key| key.daily).collect(),
            buckets: keys().map(|key| key.bucket).collect(),
            kinds: keys().map(|key| key.kind).collect(),
            names: keys().map(|key| key.name).collect(),
            events: sums().map(|sums| sums.events).collect(),
            errors: sums().map(|sums| sums.errors).collect(),
            untimed: sums().map(|sums| sums.untimed).collect(),
            latencies: sums().map(|sums| sums.latency).collect(),
            longest: sums().map(|sums| sums.longest).collect(),
        }
    }
}
