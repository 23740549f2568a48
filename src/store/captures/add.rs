//! Captured events are summed up in the transaction that writes them.

use std::collections::BTreeMap;

use chrono::{DurationRound, TimeDelta};
use sqlx::PgConnection;
use uuid::Uuid;

use super::write::Request;
use crate::domain::Timestamp;

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
    latency: i64,
    longest: i64,
}

/// What a batch adds, in the order of the rows.
///
/// Each connection adds to rows of its own, because writers would otherwise wait for each other's COMMIT; rows that two
/// connections share all the same are locked in one order. [`super::fold`] adds them up once their buckets are over.
pub struct Totals<'r>(BTreeMap<Key<'r>, Sums>);

impl<'r> Totals<'r> {
    pub fn of(fresh: &[&'r Request]) -> Self {
        let mut totals: BTreeMap<Key<'r>, Sums> = BTreeMap::new();
        for request in fresh {
            let facts = &request.capture.facts;
            for (daily, bucket) in [(false, TimeDelta::hours(1)), (true, TimeDelta::days(1))] {
                let key = Key {
                    org: request.org.0,
                    daily,
                    bucket: facts.at.duration_trunc(bucket).unwrap_or(facts.at),
                    kind: &request.capture.event.kind,
                    name: facts.indexed_name(),
                };
                let sums = totals.entry(key).or_default();
                sums.events += 1;
                sums.errors += i64::from(!facts.success);
                sums.latency = sums.latency.saturating_add(facts.latency_ms);
                sums.longest = sums.longest.max(facts.latency_ms);
            }
        }
        Self(totals)
    }

    pub async fn add(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let orgs: Vec<Uuid> = self.0.keys().map(|key| key.org).collect();
        let daily: Vec<bool> = self.0.keys().map(|key| key.daily).collect();
        let buckets: Vec<Timestamp> = self.0.keys().map(|key| key.bucket).collect();
        let kinds: Vec<&str> = self.0.keys().map(|key| key.kind).collect();
        let names: Vec<&str> = self.0.keys().map(|key| key.name).collect();
        let events: Vec<i64> = self.0.values().map(|sums| sums.events).collect();
        let errors: Vec<i64> = self.0.values().map(|sums| sums.errors).collect();
        let latencies: Vec<i64> = self.0.values().map(|sums| sums.latency).collect();
        let longest: Vec<i64> = self.0.values().map(|sums| sums.longest).collect();
        sqlx::query!(
            "INSERT INTO captured_totals AS t (org_id, daily, bucket, kind, name, shard, events, errors, latency_ms,
                                               latency_max)
             SELECT org_id, daily, bucket, kind, name, (pg_backend_pid() % 32)::smallint, events, errors, latency_ms,
                    latency_max
               FROM UNNEST($1::uuid[], $2::boolean[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[],
                           $7::bigint[], $8::bigint[], $9::bigint[])
                 AS new (org_id, daily, bucket, kind, name, events, errors, latency_ms, latency_max)
                 ON CONFLICT (org_id, daily, bucket, kind, name, shard)
                 DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                               latency_ms = t.latency_ms + EXCLUDED.latency_ms,
                               latency_max = GREATEST(t.latency_max, EXCLUDED.latency_max)",
            &orgs,
            &daily,
            &buckets,
            &kinds as &[&str],
            &names as &[&str],
            &events,
            &errors,
            &latencies,
            &longest
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
