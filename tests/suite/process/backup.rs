//! `backup` and `restore` as commands, killed in the middle too.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::path::Path;
use std::process::Stdio;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use crate::support::process::{Service, complaint, json_of, sessionary, until};
use crate::support::run;

/// Enough rows that a backup and a restore take a while.
const ROWS: i64 = 60_000;

/// Returns a superuser's connection to the private database of a folder in use.
async fn superuser(data_dir: &Path) -> Option<PgConnection> {
    let record = std::fs::read_to_string(data_dir.join("postgres.location")).ok()?;
    let socket = record.lines().find_map(|line| line.strip_prefix("socket_dir="))?.to_owned();
    let options = PgConnectOptions::new_without_pgpass().socket(socket).port(5432).username("postgres");
    options.database("sessionary").connect().await.ok()
}

async fn count(data_dir: &Path) -> i64 {
    let mut superuser = superuser(data_dir).await.expect("a connection");
    sqlx::query_scalar("SELECT count(*) FROM session_events").fetch_one(&mut superuser).await.expect("a count")
}

#[test]
fn a_killed_backup_and_a_killed_restore_can_be_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data_dir, file) = (folder.path().join("data"), folder.path().join("backup.gz"));
    let mut service = Service::start(&data_dir, &[]);
    run(async {
        let fill = sqlx::AssertSqlSafe(format!(
            "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, content, created_at)
             SELECT md5('o')::uuid, 1, md5((n / 100)::text)::uuid, n + 1, md5(n::text)::uuid, 'turn',
                    repeat(md5(n::text), 10), now() FROM generate_series(1, {ROWS}) n"
        ));
        sqlx::raw_sql(fill).execute(&mut superuser(&data_dir).await.expect("a connection")).await.expect("rows");
    });

    // With the running service, and killed when part of it is written.
    let draft = folder.path().join("backup.gz.partial");
    let mut killed = sessionary(&data_dir).arg("backup").arg(&file).stderr(Stdio::null()).spawn().expect("a backup");
    until("a part is written", || draft.metadata().ok().filter(|draft| draft.len() > 256 << 10));
    killed.kill().expect("a kill");
    killed.wait().expect("an end");
    assert!(!file.exists() && draft.exists());
    let made = json_of(sessionary(&data_dir).arg("backup").arg(&file));
    assert_eq!(made["rows"]["session_events"], ROWS);
    assert!(file.exists() && !draft.exists());
    assert_eq!(run(count(&data_dir)), ROWS, "the service's database is as it was");

    // Into the folder of a running service, which has rows.
    let refused = sessionary(&data_dir).arg("restore").arg(&file).output().expect("the program runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("is not empty"), "{}", complaint(&refused));
    service.signal("TERM");
    service.wait();

    // Into a new folder, and killed while rows are written.
    let other = folder.path().join("other");
    let mut killed = sessionary(&other).arg("restore").arg(&file).stderr(Stdio::null()).spawn().expect("a restore");
    until("rows are written", || {
        run(async {
            let copied = "SELECT COALESCE(sum(tuples_processed), 0)::bigint FROM pg_stat_progress_copy";
            let copied: i64 = sqlx::query_scalar(copied).fetch_one(&mut superuser(&other).await?).await.ok()?;
            (copied > 1000).then_some(())
        })
    });
    killed.kill().expect("a kill");
    killed.wait().expect("an end");
    let restored = json_of(sessionary(&other).arg("restore").arg(&file));
    assert_eq!(restored["rows"]["session_events"], ROWS);
    let service = Service::start(&other, &[]);
    assert_eq!(run(count(&other)), ROWS);
    assert_eq!(service.ask("GET", "/readyz", &[], "").0, 200);
}

#[test]
fn what_cannot_be_backed_up_or_restored_makes_no_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data_dir, file) = (folder.path().join("data"), folder.path().join("backup.gz"));
    let nothing = sessionary(&data_dir).arg("backup").arg(&file).output().expect("the program runs");
    assert_eq!(nothing.status.code(), Some(1));
    assert!(complaint(&nothing).contains(&data_dir.display().to_string()), "{}", complaint(&nothing));
    std::fs::write(&file, "something else").expect("a file");
    let refused = sessionary(&data_dir).arg("restore").arg(&file).output().expect("the program runs");
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("is no backup"), "{}", complaint(&refused));
    assert!(!data_dir.exists());
}
