//! Starts, shares and stops the private Postgres.

use std::{
    fs,
    time::{Duration, Instant},
};

use sessionary::embedded_postgres::{EmbeddedPostgres, EmbeddedPostgresError, Opened, open_with};

use crate::support::{self, Home, processes_on, search};

#[tokio::test]
async fn an_existing_folder_is_ready_quickly_and_stop_leaves_nothing() {
    let home = Home::new();
    home.start().await.stop().await.unwrap();
    home.assert_quiet_now();
    let begun = Instant::now();
    let postgres = home.start().await;
    let ready = begun.elapsed();
    assert!(ready < Duration::from_secs(2), "{ready:?}");
    home.sql(&postgres, "SELECT 1");
    println!("ready in {ready:?}");
    let begun = Instant::now();
    postgres.stop().await.unwrap();
    println!("stopped in {:?}", begun.elapsed());
    home.assert_quiet_now();
}

#[tokio::test]
async fn a_second_service_on_the_folder_is_refused() {
    let home = Home::new();
    let postgres = home.start().await;
    let refused = EmbeddedPostgres::start_with(&home.data_dir(), search(), &home.tuning()).await.unwrap_err();
    let EmbeddedPostgresError::AlreadyRunning { data_dir } = refused else {
        panic!("{refused}");
    };
    assert_eq!(data_dir, home.data_dir());
    assert_eq!(home.sql(&postgres, "SELECT 1"), "1", "and the first is not disturbed");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn commands_start_it_or_work_beside_the_service() {
    let home = Home::new();
    let Opened::Started(alone) = open_with(&home.data_dir(), search(), &home.tuning()).await.unwrap() else {
        panic!("nobody else is there");
    };
    alone.stop().await.unwrap();

    // Opened while the service is still starting: the command waits for it.
    let mut holder = home.hold(&[]);
    support::until("the service has the lock", || {
        fs::File::open(home.data_dir().join("lock")).unwrap().try_lock().is_err()
    });
    let opened = open_with(&home.data_dir(), search(), &home.tuning()).await.unwrap();
    assert!(matches!(opened, Opened::Beside(_)), "{opened:?}");
    assert_eq!(home.sql_at(opened.location(), "SELECT 1"), "1");
    holder.wait_for("ready");
    holder.finish();
    home.assert_quiet();
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    let home = Home::new();
    home.start().await.stop().await.unwrap();
    let conf = home.cluster().join("postgresql.auto.conf");
    fs::write(conf, "no_such_setting = 1\n").unwrap();
    let error = EmbeddedPostgres::start_with(&home.data_dir(), search(), &home.tuning()).await.unwrap_err();
    assert!(matches!(error, EmbeddedPostgresError::Ended { .. }));
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    assert!(!error.to_string().contains("shut down"), "only of this start: {error}");
}

#[tokio::test]
async fn a_server_that_ignores_a_fast_shutdown_is_ended_all_the_same() {
    let home = Home::new();
    let postgres = home.start().await;
    let server = home.postmaster();
    // A stopped process reacts only to the last signal.
    server.signal("STOP");
    let begun = Instant::now();
    postgres.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(40));
    home.assert_quiet();
    home.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn dropping_it_ends_the_server_too() {
    let home = Home::new();
    let postgres = home.start().await;
    assert!(!processes_on(&home.data_dir()).is_empty());
    drop(postgres);
    // The guard is another process: this thread may wait for it.
    tokio::task::yield_now().await;
    home.assert_quiet();
}
