//! Totals of captured events always equal the counts of the events.

#![allow(clippy::disallowed_methods, reason = "totals are compared with the rows")]

use std::collections::BTreeMap;

use chrono::{DurationRound, TimeDelta};
use proptest::prelude::*;
use sessionary::domain::{EventId, OrgId, Timestamp};
use sessionary::store::admin::AdminStore;
use sessionary::store::{Breakdown, CaptureFilter, Figure, Grain, TenantStore};
use sessionary::workers::captures::fold_totals;
use uuid::Uuid;

use crate::support::agnost::{capture, observed_with};
use crate::support::{DATABASE, TestApp, admin, connection, run, start, store};
use serde_json::json;

const NAMES: [&str; 3] = ["support", "search", "pay"];

/// An event: how long before now, its name, whether it succeeded, its latency.
type Sent = (i64, usize, bool, i64);

async fn send(app: &TestApp, place: usize, (seconds, name, success, latency): Sent) {
    let at = (app.clock.now() - TimeDelta::seconds(seconds)).timestamp_millis();
    let event = json!({
        "event_id": Uuid::from_u128(place as u128).to_string(), "primitive_name": NAMES[name], "success": success,
        "primitive_type": if name == 0 { "" } else { "tool" }, "latency": latency, "timestamp": at,
    });
    capture(app, observed_with(event)).await;
}

fn filter(since: Timestamp, names: &[&str]) -> CaptureFilter {
    CaptureFilter {
        since,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        connection_types: Vec::new(),
        client_configs: Vec::new(),
        metadata: Vec::new(),
        search: None,
    }
}

/// Returns the sums over the rows, in the order of the figures.
async fn counted(org: OrgId, filter: &CaptureFilter, breakdown: Breakdown) -> Vec<Figure> {
    let mut system = connection("sessionary_system", DATABASE).await;
    let rows: Vec<(Timestamp, String, String, bool, i64, bool)> = sqlx::query_as(
        "SELECT at, kind, name, success, latency_ms, untimed FROM captured_events
          WHERE org_id = $1 AND at >= $2 AND (cardinality($3::text[]) = 0 OR name = ANY ($3))",
    )
    .bind(org)
    .bind(filter.since)
    .bind(&filter.names)
    .fetch_all(&mut system)
    .await
    .expect("rows");
    let mut figures: BTreeMap<(Timestamp, String, String), Figure> = BTreeMap::new();
    for (at, kind, name, success, latency, untimed) in rows {
        let day = at.duration_trunc(TimeDelta::days(1)).expect("a day");
        let (bucket, name) = match breakdown {
            Breakdown::Days => (day, String::new()),
            Breakdown::Names => (filter.since, name),
            Breakdown::NamesOverTime(Grain::Day) => (day, name),
            Breakdown::NamesOverTime(grain) => {
                (at.duration_trunc(TimeDelta::seconds(grain.seconds())).expect("a bucket"), name)
            }
        };
        let figure = figures.entry((bucket, kind.clone(), name.clone())).or_insert(Figure {
            bucket,
            kind,
            name,
            events: 0,
            errors: 0,
            untimed: 0,
            latency_ms: 0.0,
            latency_max: 0,
        });
        figure.events += 1;
        figure.errors += i64::from(!success);
        if untimed {
            figure.untimed += 1;
        } else {
            figure.latency_ms += latency as f64;
            figure.latency_max = figure.latency_max.max(latency);
        }
    }
    figures.into_values().collect()
}

async fn are_right(tenant: &TenantStore, sinces: &[Timestamp]) -> Result<(), TestCaseError> {
    for since in sinces {
        for names in [&[][..], &["pay"], &["support", "search"]] {
            let filter = filter(*since, names);
            for breakdown in [
                Breakdown::Days,
                Breakdown::Names,
                Breakdown::NamesOverTime(Grain::Hour),
                Breakdown::NamesOverTime(Grain::Day),
                Breakdown::NamesOverTime(Grain::Minute),
            ] {
                let mut figures = tenant.captures().figures(&filter, breakdown).await.expect("figures");
                prop_assert!(figures.complete);
                figures.rows.sort_by(|a, b| (a.bucket, &a.kind, &a.name).cmp(&(b.bucket, &b.kind, &b.name)));
                let counted = counted(tenant.org(), &filter, breakdown).await;
                prop_assert_eq!(figures.rows, counted, "{:?} since {} of {:?}", breakdown, since, names);
            }
        }
    }
    Ok(())
}

/// Returns how many totals of the organization, or sums of them, differ from rebuilt ones.
async fn rebuilt(admin: &AdminStore, org: OrgId) -> u64 {
    let (mut from, mut repaired) = (Timestamp::UNIX_EPOCH, 0);
    while let Some(batch) = admin.rebuild_captured_totals(org, from).await.expect("a batch") {
        from = batch.until;
        repaired += batch.repaired;
    }
    repaired
}

async fn execute(statement: &'static str, org: OrgId) {
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query(statement).bind(org).execute(&mut system).await.expect("a statement");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn figures_from_totals_are_figures_from_rows(
        events in prop::collection::vec(
            (0i64..100 * 86_400, 0usize..3, any::<bool>(), prop_oneof![0i64..1_000, Just(90_000_000)]), 1..24),
        sinces in prop::collection::vec(0i64..100 * 86_400, 1..3),
        deleted in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        run(async {
            let app = TestApp::new().await;
            let admin = admin().await;
            let tenant = store().await.tenant(app.org);
            let now = app.clock.now();
            let mut windows = vec![Timestamp::UNIX_EPOCH, now - TimeDelta::days(30)];
            windows.extend(sinces.iter().map(|seconds| now - TimeDelta::seconds(*seconds)));
            let half = events.len() / 2;
            for (place, event) in events[..half].iter().enumerate() {
                send(&app, place, *event).await;
            }
            are_right(&tenant, &windows).await?;
            fold_totals(admin, now).await.expect("folded");
            are_right(&tenant, &windows).await?;
            // Late events, and one that is known already.
            for (place, event) in events.iter().enumerate().skip(half.saturating_sub(1)) {
                send(&app, place, *event).await;
            }
            are_right(&tenant, &windows).await?;
            prop_assert_eq!(rebuilt(admin, app.org).await, 0);

            let ids: Vec<EventId> =
                deleted.iter().map(|index| EventId(Uuid::from_u128(index.index(events.len()) as u128))).collect();
            admin.delete_captured_events(app.org, &ids).await.expect("deleted");
            are_right(&tenant, &windows).await?;
            fold_totals(admin, now).await.expect("folded");
            are_right(&tenant, &windows).await?;
            prop_assert_eq!(rebuilt(admin, app.org).await, 0);

            // Every kind of damage, which a rebuild repairs.
            for damage in [
                "UPDATE captured_totals SET events = events + 3, latency_max = latency_max + 7 WHERE org_id = $1",
                "UPDATE captured_sums SET errors = errors + 1, latency_max = 5000 WHERE org_id = $1",
                "DELETE FROM captured_totals WHERE org_id = $1",
                "DELETE FROM captured_sums WHERE org_id = $1",
            ] {
                execute(damage, app.org).await;
                rebuilt(admin, app.org).await;
                are_right(&tenant, &windows).await?;
                fold_totals(admin, now).await.expect("folded");
                are_right(&tenant, &windows).await?;
            }
            Ok(())
        })?;
    }
}

/// Figures are right at every moment while events are written, folded and rebuilt.
#[test]
fn figures_are_right_while_everything_happens_at_once() {
    run(async {
        let app = TestApp::new().await;
        let admin = admin().await;
        let tenant = store().await.tenant(app.org);
        let now = app.clock.now();
        let writing = async {
            for place in 0..120usize {
                let seconds = 3_600 * (3 + place as i64 % 70);
                send(&app, place, (seconds, place % 3, place % 5 != 0, place as i64)).await;
            }
        };
        let working = async {
            for _ in 0..30 {
                fold_totals(admin, now).await.expect("folded");
                rebuilt(admin, app.org).await;
            }
        };
        let reading = async {
            let mut last = 0;
            for _ in 0..60 {
                let all = filter(Timestamp::UNIX_EPOCH, &[]);
                let figures = tenant.captures().figures(&all, Breakdown::Names).await.expect("figures");
                let count: i64 = figures.rows.iter().map(|figure| figure.events).sum();
                assert!(count >= last, "{count} after {last}");
                last = count;
            }
        };
        tokio::join!(writing, working, reading);
        are_right(&tenant, &[Timestamp::UNIX_EPOCH, start() - TimeDelta::hours(40)]).await.expect("right figures");
        assert_eq!(rebuilt(admin, app.org).await, 0);
    });
}
