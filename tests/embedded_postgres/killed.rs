//! Kills service, guard, server and initdb at any moment.

use std::{
    fs,
    time::{Duration, Instant},
};

use sessionary::embedded_postgres::EmbeddedPostgresError;

use crate::support::{self, Home, Process, is_root};

#[tokio::test]
async fn a_killed_service_leaves_no_process() {
    let home = Home::new();
    let mut holder = home.hold(&["child"]);
    // This child inherits what the service's children inherit, and keeps running.
    let child = Process(holder.line().parse().unwrap());
    holder.wait_for("ready");
    let server = home.postmaster();
    assert_ne!(server.group(), holder.process().group(), "Ctrl-C is for the service");
    assert_ne!(home.guard().group(), holder.process().group());
    assert_ne!(home.guard().group(), server.group());
    holder.kill();
    home.assert_quiet();
    assert!(child.is_alive());
    child.kill();
    assert!(home.log().contains("received fast shutdown request"), "{}", home.log());
}

#[tokio::test]
async fn a_killed_guard_is_replaced() {
    let home = Home::new();
    let mut holder = home.hold(&[]);
    holder.wait_for("ready");
    let first = home.guard();
    first.kill();
    support::until("another guard is posted", || !first.is_alive() && home.find_guard().is_some());
    holder.kill();
    home.assert_quiet();
}

#[tokio::test]
async fn a_server_that_lost_service_and_guard_is_ended_by_the_next_start() {
    let home = Home::new();
    let mut holder = home.hold(&[]);
    holder.wait_for("ready");
    // While it is stopped, the service cannot replace the guard.
    holder.process().signal("STOP");
    home.guard().kill();
    holder.kill();
    let orphan = home.postmaster();
    assert!(orphan.is_alive());

    let postgres = home.start().await;
    assert!(!orphan.is_alive());
    assert_ne!(home.postmaster(), orphan);
    assert_eq!(home.sql(&postgres, "SELECT 1"), "1");
    postgres.stop().await.unwrap();
    home.assert_quiet();
}

#[tokio::test]
async fn a_service_killed_at_any_moment_of_its_start_leaves_nothing() {
    let home = Home::new();
    home.start().await.stop().await.unwrap();
    for step in 0..25 {
        let mut holder = home.hold(&[]);
        let moment = Instant::now() + Duration::from_millis(step * 8);
        support::until("the moment has come", || Instant::now() >= moment);
        holder.kill();
        home.assert_quiet();
    }
    home.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn initdb_is_all_or_nothing() {
    let home = Home::new();
    for wanted in ["PG_VERSION", "base/1", "global/pg_control"] {
        let mut holder = home.hold(&[]);
        support::until("initdb has come so far", || {
            let drafts = home.drafts();
            !drafts.is_empty() && drafts[0].join(wanted).exists()
        });
        holder.kill();
        home.assert_quiet();
        assert!(!home.cluster().exists());
        assert_eq!(home.drafts().len(), 1, "one leftover, and the one before was removed");
    }
    let postgres = home.start().await;
    assert_eq!(home.sql(&postgres, "SELECT 1"), "1");
    assert!(home.drafts().is_empty());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_committed_survives_a_killed_server() {
    let home = Home::new();
    let mut postgres = home.start().await;
    home.sql(&postgres, "CREATE TABLE kept AS SELECT 7 AS n");
    home.postmaster().kill();
    let ended = tokio::time::timeout(Duration::from_secs(5), postgres.exited()).await.unwrap();
    assert!(matches!(ended, EmbeddedPostgresError::Ended { .. }));
    assert!(ended.to_string().contains("signal: 9"), "{ended}");
    assert_eq!(ended.to_string(), postgres.exited().await.to_string(), "it can be asked again");
    postgres.stop().await.unwrap();

    assert!(home.cluster().join("postmaster.pid").exists());
    let postgres = home.start().await;
    assert_eq!(home.sql(&postgres, "SELECT n FROM kept"), "7");
    postgres.stop().await.unwrap();
    home.assert_quiet();
}

#[tokio::test]
async fn a_backend_that_outlives_its_killed_server_is_waited_for() {
    let home = Home::new();
    let mut postgres = home.start().await;
    // Computes without ever waiting, so it does not notice for about a second.
    let busy = "SELECT count(*) FROM generate_series(1, 8000000) AS n WHERE n % 7 = 3";
    let active = format!("SELECT count(*) FROM pg_stat_activity WHERE query = '{busy}' AND state = 'active'");
    let psql = home.psql(None, postgres.location(), busy).spawn().unwrap();
    support::until("the query runs", || home.sql(&postgres, &active) == "1");
    home.postmaster().kill();
    postgres.exited().await;
    drop(postgres);
    let postgres = home.start().await;
    assert_eq!(home.sql(&postgres, "SELECT 1"), "1");
    assert!(home.log().contains("pre-existing shared memory block"), "{}", home.log());
    postgres.stop().await.unwrap();
    psql.wait_with_output().unwrap();
}

#[tokio::test]
async fn a_stale_number_that_is_somebody_elses_by_now_is_no_server() {
    let home = Home::new();
    let mut postgres = home.start().await;
    let server = home.postmaster();
    let owner = server.uid();
    server.kill();
    postgres.exited().await;
    postgres.stop().await.unwrap();

    let mut somebody = support::command_as(is_root().then_some(owner), "sleep").arg("600").spawn().unwrap();
    let pid_file = home.cluster().join("postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    fs::write(&pid_file, text.replacen(&server.0.to_string(), &somebody.id().to_string(), 1)).unwrap();

    let postgres = home.start().await;
    assert_eq!(home.sql(&postgres, "SELECT 1"), "1");
    assert!(somebody.try_wait().unwrap().is_none(), "and is left alone");
    postgres.stop().await.unwrap();
    somebody.kill().unwrap();
    somebody.wait().unwrap();
}
