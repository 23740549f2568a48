//! A backup contains everything, and a restore restores everything or nothing.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use sessionary::store::backup::{BackupError, back_up, restore, verify};
use sessionary::store::{Store, StoreSettings, migrate};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::support::{connection, database_called, make_database, run, start};

/// Fills a database with at least one row in each of the tables where the service writes the rarest characters.
async fn fill(name: &str) {
    let mut superuser = connection("postgres", name).await;
    let fill = r#"
        INSERT INTO organizations (org_id, name, responder, created_at, storage_quota)
        VALUES ('00000000-0000-4000-8000-000000000001', E'a\tb\nc\\.\\N "é" 😀', '{"kind":"echo"}', '2026-01-02 03:04:05.678901Z', NULL),
               ('00000000-0000-4000-8000-000000000002', '\.', '{ "kind":  "none" }', 'infinity', 5);
        INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, detail, created_at, updated_at, metadata)
        SELECT '00000000-0000-4000-8000-000000000001', 2, md5(n::text)::uuid, E'\\.\n' || n, md5(n::text)::uuid,
               '{}', now(), now(), json_build_object('n', n, 'text', repeat(E'line\n', 20))
          FROM generate_series(1, 3000) n;
        INSERT INTO avatar_images (org_id, image_id, avatar_number, bytes, created_at)
        VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000003', 1, '\x000a5c2e0aff', now());
        INSERT INTO api_key_hashes (key_hash, org_id, key_id, scopes)
        VALUES (sha256('key'), '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000004', '{"a b",NULL,"\"c"}');
        -- A Postgres that has counted more transactions than the one it is restored into.
        INSERT INTO session_feed (org_id, transaction, place, dialect, session_id, kind, at)
        SELECT '00000000-0000-4000-8000-000000000001', 900000000 + n / 3, n % 3, 2, md5(n::text)::uuid, 1, now()
          FROM generate_series(0, 29) n;
        INSERT INTO webhooks (org_id, webhook_id, url, secret, events, feed_transaction, feed_place, created_at)
        VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000005', 'https://a.example',
                'whsec_', '{session.created}', 900000003, 1, now()),
               ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000006', 'https://a.example',
                'whsec_', '{session.created}', 0, 0, now());"#;
    sqlx::raw_sql(fill).execute(&mut superuser).await.expect("rows");
}

/// Returns the rows of every table as text, without the numbering of the feed.
async fn dump(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut superuser = connection("postgres", name).await;
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    let tables = sqlx::query(tables).fetch_all(&mut superuser).await.expect("tables");
    let mut dump = BTreeMap::new();
    for table in tables.iter().map(|row| row.get::<String, _>(0)) {
        if ["session_feed", "webhooks", "_sqlx_migrations"].contains(&table.as_str()) {
            continue;
        }
        let rows = AssertSqlSafe(format!("SELECT t::text FROM {table} t ORDER BY 1"));
        let rows = sqlx::query_scalar(rows).fetch_all(&mut superuser).await.expect("rows");
        dump.insert(table, rows);
    }
    dump
}

/// Returns the entries of the feed that each endpoint has not read, in its order.
async fn unread(superuser: &mut PgConnection) -> Vec<(String, String)> {
    let unread = "SELECT w.webhook_id::text, f.session_id::text FROM webhooks w JOIN session_feed f USING (org_id)
                   WHERE (f.transaction, f.place) > (w.feed_transaction, w.feed_place)
                   ORDER BY 1, f.transaction, f.place";
    sqlx::query_as(unread).fetch_all(superuser).await.expect("entries")
}

async fn emptiness(name: &str) -> i64 {
    let mut superuser = connection("postgres", name).await;
    let count = "SELECT count(*) FROM sessions";
    sqlx::query_scalar(count).fetch_one(&mut superuser).await.unwrap_or_default()
}

/// Creates a database with rows, and a backup of it.
async fn backed_up(name: &str, folder: &Path) -> std::path::PathBuf {
    make_database(name).await;
    let database = database_called(name).await;
    migrate(&database).await.expect("a schema");
    fill(name).await;
    let file = folder.join("backup");
    back_up(&database, &file, start()).await.expect("a backup");
    file
}

#[test]
fn everything_comes_back_under_forced_row_level_security() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = backed_up("backup_source", folder.path()).await;
        assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no draft is left");

        make_database("backup_target").await;
        let target = database_called("backup_target").await;
        let contents = restore(&target, &file).await.expect("a restored database");
        assert_eq!(contents.rows["sessions"], 3000);
        assert_eq!(contents.rows["organizations"], 2);
        assert_eq!(dump("backup_source").await, dump("backup_target").await);

        // The schema is the same: the service runs on it, and no role sees every row.
        Store::connect(&target, StoreSettings::default()).await.expect("a store").close().await;
        let mut superuser = connection("postgres", "backup_target").await;
        let open = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                       AND relname <> '_sqlx_migrations' AND NOT (relrowsecurity AND relforcerowsecurity)";
        let open: i64 = sqlx::query_scalar(open).fetch_one(&mut superuser).await.expect("a count");
        assert_eq!(open, 0);

        // Endpoints have the same unread entries, and all of them are in the past of this Postgres.
        let before = unread(&mut connection("postgres", "backup_source").await).await;
        assert_eq!(before.len(), 30 - 11);
        assert_eq!(before, unread(&mut superuser).await);
        let ahead = "SELECT (SELECT count(*) FROM session_feed WHERE transaction >= x)
                          + (SELECT count(*) FROM webhooks WHERE feed_transaction >= x)
                       FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS x) now";
        // When the open transactions of other tests have ended.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while sqlx::query_scalar::<_, i64>(ahead).fetch_one(&mut superuser).await.expect("a count") > 0 {
            assert!(std::time::Instant::now() < deadline, "entries of the future");
        }

        let again = restore(&target, &file).await.expect_err("it is not empty");
        assert!(matches!(&again, BackupError::NotEmpty(_)), "{again}");
        assert_eq!(dump("backup_source").await, dump("backup_target").await);
    });
}

#[test]
fn a_backup_is_of_one_moment() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        make_database("backup_moment").await;
        let database = database_called("backup_moment").await;
        migrate(&database).await.expect("a schema");
        fill("backup_moment").await;
        // Each round adds an organization and its session in one transaction, continuously.
        let stop = tokio_util::sync::CancellationToken::new();
        let writer = tokio::spawn({
            let stop = stop.clone();
            async move {
                let mut superuser = connection("postgres", "backup_moment").await;
                let mut rounds = 0_u32;
                while !stop.is_cancelled() {
                    rounds += 1;
                    let pair = format!(
                        "BEGIN; INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, detail, created_at, updated_at)
                         SELECT md5('{rounds}')::uuid, 1, md5('{rounds}')::uuid, 'x', md5('x')::uuid, '{{}}', now(), now();
                         INSERT INTO organizations (org_id, name, responder, created_at)
                         SELECT md5('{rounds}')::uuid, 'x', '{{}}', now(); COMMIT"
                    );
                    sqlx::raw_sql(AssertSqlSafe(pair)).execute(&mut superuser).await.expect("a pair");
                }
                rounds
            }
        });
        let contents = back_up(&database, &folder.path().join("backup"), start()).await.expect("a backup");
        stop.cancel();
        assert!(writer.await.expect("a writer") > 0);
        assert_eq!(contents.rows["organizations"] - 2, contents.rows["sessions"] - 3000);
    });
}

#[test]
fn a_damaged_file_is_found_out_before_anything_is_changed() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = backed_up("backup_damaged", folder.path()).await;
        let whole = std::fs::read(&file).expect("a file");
        make_database("backup_untouched").await;
        let target = database_called("backup_untouched").await;
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let mut longer = whole.clone();
        longer.extend(compressed(b"more\n"));
        for (what, bytes) in [
            ("cut off", whole[..whole.len() / 2].to_vec()),
            ("cut off at the end", whole[..whole.len() - 9].to_vec()),
            ("changed", flipped),
            ("longer", longer),
            ("without a row", rewritten(&whole, without_a_row)),
            ("something else", compressed(b"{\"a\":1}\n")),
            ("empty", Vec::new()),
        ] {
            std::fs::write(&file, bytes).expect("a file");
            for error in [verify(&file).err(), restore(&target, &file).await.err()] {
                let error = error.unwrap_or_else(|| panic!("{what}: it was taken"));
                let is_of_the_file = matches!(error, BackupError::Damaged(..) | BackupError::NoBackup(..));
                assert!(is_of_the_file, "{what}: {error}");
            }
        }
        let absent = restore(&target, &folder.path().join("absent")).await.expect_err("no file");
        assert!(matches!(absent, BackupError::File { .. }), "{absent}");
        let mut superuser = connection("postgres", "backup_untouched").await;
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut superuser).await.expect("a count");
        assert_eq!(tables, 0);
        std::fs::write(&file, whole).expect("a file");
        restore(&target, &file).await.expect("a restored database");
    });
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = backed_up("backup_there", folder.path()).await;
        let database = database_called("backup_there").await;
        let whole = std::fs::read(&file).expect("a file");
        let error = back_up(&database, &file, start()).await.expect_err("it is there");
        assert!(matches!(error, BackupError::Exists(_)), "{error}");
        assert_eq!(std::fs::read(&file).expect("a file"), whole);

        // A killed backup leaves a draft, which the next one overwrites.
        let other = folder.path().join("other");
        std::fs::write(folder.path().join("other.partial"), vec![0; 1 << 20]).expect("a draft");
        back_up(&database, &other, start()).await.expect("a backup");
        verify(&other).expect("a whole file");
        assert!(!folder.path().join("other.partial").exists());
        make_database("backup_of_nothing").await;
        let nothing = back_up(&database_called("backup_of_nothing").await, &folder.path().join("x"), start()).await;
        assert!(matches!(nothing.expect_err("nothing"), BackupError::NoSchema));
        assert!(!folder.path().join("x").exists() && !folder.path().join("x.partial").exists());
    });
}

#[test]
fn a_restore_that_is_cut_off_leaves_an_empty_database() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = backed_up("backup_cut_off", folder.path()).await;
        make_database("backup_again").await;
        let target = database_called("backup_again").await;
        let mut superuser = connection("postgres", "backup_again").await;
        migrate(&target).await.expect("a schema");
        // A table that is filled late takes long, and the restore is dropped there.
        let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$;
                    CREATE TRIGGER slow BEFORE INSERT ON webhooks FOR EACH ROW EXECUTE FUNCTION slow()";
        sqlx::raw_sql(slow).execute(&mut superuser).await.expect("a trigger");
        let sleeps =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        tokio::select! {
            restored = restore(&target, &file) => panic!("it was not cut off: {restored:?}"),
            () = async {
                while sqlx::query_scalar::<_, i64>(sleeps).fetch_one(&mut superuser).await.expect("a count") == 0 {}
            } => {}
        }
        // This waits until Postgres has noticed.
        let fast = "DROP TRIGGER slow ON webhooks";
        sqlx::raw_sql(fast).execute(&mut superuser).await.expect("no trigger");
        assert_eq!(emptiness("backup_again").await, 0);
        restore(&target, &file).await.expect("a restored database");
        assert_eq!(dump("backup_cut_off").await, dump("backup_again").await);
    });
}

/// A backup of an older schema is restored into that schema and then migrated.
#[test]
fn an_older_backup_is_migrated_and_an_unknown_one_rejected() {
    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        make_database("backup_old").await;
        let old = database_called("backup_old").await;
        let mut owner = connection("sessionary_owner", "backup_old").await;
        let mut superuser = connection("postgres", "backup_old").await;
        sqlx::raw_sql("GRANT USAGE, CREATE ON SCHEMA public TO sessionary_owner; GRANT USAGE ON SCHEMA public TO sessionary_app, sessionary_system")
            .execute(&mut superuser)
            .await
            .expect("rights");
        MIGRATIONS.run_direct(Some(14), &mut owner, false).await.expect("an old schema");
        let row = "INSERT INTO organizations (org_id, name, responder, created_at)
                   VALUES ('00000000-0000-4000-8000-000000000001', 'old', '{}', now())";
        sqlx::query(row).execute(&mut superuser).await.expect("a row");
        let file = folder.path().join("old");
        let contents = back_up(&old, &file, start()).await.expect("a backup");
        assert!(!contents.rows.contains_key("organization_storage"), "{:?}", contents.rows);

        // A schema that is newer than the backup cannot be downgraded, even if it is empty.
        make_database("backup_newer").await;
        let newer = database_called("backup_newer").await;
        migrate(&newer).await.expect("a schema");
        let error = restore(&newer, &file).await.expect_err("a newer schema");
        assert!(matches!(error, BackupError::NewerTarget { backup: 14, .. }), "{error}");

        make_database("backup_migrated").await;
        let migrated = database_called("backup_migrated").await;
        restore(&migrated, &file).await.expect("a restored database");
        let mut superuser = connection("postgres", "backup_migrated").await;
        let name: String = sqlx::query_scalar("SELECT name FROM organizations WHERE storage_quota IS NULL")
            .fetch_one(&mut superuser)
            .await
            .expect("the row, with the new column");
        assert_eq!(name, "old");

        let unknown = rewritten(&std::fs::read(&file).expect("a file"), |text| {
            text.replacen("\"migrations\":[", "\"migrations\":[{\"version\":9999,\"checksum\":\"00\"},", 1)
        });
        std::fs::write(&file, unknown).expect("a file");
        let error = restore(&migrated, &file).await.expect_err("a schema of the future");
        assert!(matches!(error, BackupError::Unknown(9999, _)), "{error}");
    });
}

/// Returns the text without the first row of its organizations.
fn without_a_row(text: &str) -> String {
    let (before, after) = text.split_once("{\"table\":\"organizations\"").expect("a table");
    let mut lines = after.split_inclusive('\n');
    let heading = lines.next().expect("the rest of a line");
    format!("{before}{{\"table\":\"organizations\"{heading}{}", lines.skip(1).collect::<String>())
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("bytes");
    encoder.finish().expect("bytes")
}

/// Returns the file with another text and a correct SHA-256.
fn rewritten(file: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let mut text = String::new();
    MultiGzDecoder::new(file).read_to_string(&mut text).expect("a text");
    let end = text.trim_end().rfind('\n').expect("a last line") + 1;
    let (body, trailer) = text.split_at(end);
    let changed = change(body);
    assert_ne!(changed, body, "nothing was changed");
    let hex = |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    compressed((changed.clone() + &trailer.replace(&hex(body), &hex(&changed))).as_bytes())
}
