//! Costly queries of one organization do not delay others.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::pin::Pin;
use std::time::Duration;

use futures::future::poll_immediate;
use sessionary::domain::{DialectName, Mint, OrgId};
use sessionary::store::{
    Among, CaptureFilter, LogKind, LogPage, PageLimit, Store, StoreError, StoreSettings, provision,
};
use sqlx::PgConnection;

use crate::support::{connection, database_called, make_database, run, start};

const NAME: &str = "shared_fairly";

fn new_org() -> OrgId {
    OrgId(Mint::system().uuid())
}

type Scan = Pin<Box<dyn Future<Output = Result<LogPage, StoreError>> + Send>>;

/// Returns a scan of an organization's captured events.
fn scan(store: &Store, org: OrgId) -> Scan {
    let tenant = store.tenant(org);
    let filter = CaptureFilter {
        since: start(),
        names: Vec::new(),
        connection_types: Vec::new(),
        client_configs: Vec::new(),
        metadata: Vec::new(),
        search: Some("x".to_owned()),
    };
    Box::pin(async move { tenant.captures().log(&filter, LogKind::All, None, PageLimit::rows(10)).await })
}

/// Returns the processes of Postgres that wait for a lock on captured events.
async fn blocked(superuser: &mut PgConnection) -> Vec<i32> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_locks WHERE relation = 'captured_events'::regclass AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_all(superuser)
    .await
    .expect("processes")
}

#[test]
fn scans_that_hang_leave_everything_else_as_it_was() {
    run(async {
        make_database(NAME).await;
        let database = database_called(NAME).await;
        provision(&database).await.expect("an up-to-date database");
        // Longer than the test can take on any machine, because the test shows who waits, not for how long.
        let settings = StoreSettings { permit_wait: Duration::from_secs(600), ..StoreSettings::default() };
        let store = Store::connect(&database, settings).await.expect("a store");
        let (loud, quiet) = (new_org(), new_org());
        let mut locker = connection("postgres", NAME).await;
        let mut superuser = connection("postgres", NAME).await;
        for statement in ["BEGIN", "LOCK TABLE captured_events IN ACCESS EXCLUSIVE MODE"] {
            sqlx::query(statement).execute(&mut locker).await.expect("a lock");
        }

        // One of them runs, and a few wait; the next is rejected at once.
        let mut scans: Vec<Scan> = Vec::new();
        let rejected = loop {
            let mut next = scan(&store, loud);
            match poll_immediate(&mut next).await {
                None => scans.push(next),
                Some(result) => break result,
            }
            assert!(scans.len() < 100, "an organization's scans have no end");
        };
        assert!(matches!(rejected, Err(StoreError::OrgBusy)), "{rejected:?}");
        let mut first = scans.remove(0);
        let waiting = loop {
            assert!(poll_immediate(&mut first).await.is_none(), "nothing holds the scan up");
            for scan in &mut scans {
                assert!(poll_immediate(scan).await.is_none());
            }
            let blocked = blocked(&mut superuser).await;
            if !blocked.is_empty() {
                break blocked;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(waiting.len(), 1, "one organization has more than its share of the connections");

        // Readiness, look-ups, single sessions, lists and the other organization's own scans.
        store.ping().await.expect("an answer");
        assert!(store.directory().organization(quiet).await.expect("an answer").is_none());
        let tenant = store.tenant(quiet);
        let now = start();
        let among = Among { dialect: DialectName::Messaging, now, since: now };
        assert!(tenant.sessions().open(among, None, 10).await.expect("a page").sessions.is_empty());
        assert_eq!(tenant.sessions().census(among, &["x"]).await.expect("counts").open, 0);
        // The loud organization's own small requests, too.
        assert!(store.tenant(loud).sessions().open(among, None, 10).await.expect("a page").sessions.is_empty());

        // A query that Postgres cancels took too long; it does not mean that the database is down.
        let cancelled: bool = sqlx::query_scalar("SELECT pg_cancel_backend($1)")
            .bind(waiting[0])
            .fetch_one(&mut superuser)
            .await
            .expect("x");
        assert!(cancelled);
        let result = first.await;
        assert!(matches!(result, Err(StoreError::TooSlow)), "{result:?}");

        sqlx::query("ROLLBACK").execute(&mut locker).await.expect("the lock is gone");
        for scan in futures::future::join_all(scans).await {
            assert!(scan.expect("a page").rows.is_empty());
        }
        store.close().await;
    });
}
