//! Tests between major versions of Postgres: upgrades, backups, and a start on another version's folder.
//!
//! They need two versions, so `cargo test` does not run them: `.ci/postgres-versions` sets their folders in
//! `MAJORS_OLD_BIN` and `MAJORS_NEW_BIN`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use process::{Service, complaint, json_of, sessionary, until};

#[expect(dead_code, reason = "the suite needs more of it")]
#[path = "../suite/support/process.rs"]
mod process;

/// What [`process`] needs from its surroundings.
pub fn search() -> sessionary::embedded_postgres::Search {
    sessionary::embedded_postgres::Search::default()
}

fn bin(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} has to name a folder with postgres")).into()
}

fn old() -> String {
    bin("MAJORS_OLD_BIN").display().to_string()
}

fn new() -> String {
    bin("MAJORS_NEW_BIN").display().to_string()
}

/// Returns a command that has the newer version in its setting and the older one in the PATH.
fn with_both(data_dir: &Path) -> Command {
    let mut command = sessionary(data_dir);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("SESSIONARY_POSTGRES_BIN", new()).env("PATH", format!("{}:{path}", old()));
    command
}

fn upgrade(data_dir: &Path) -> Command {
    let mut command = with_both(data_dir);
    command.arg("upgrade-postgres");
    command
}

fn major(data_dir: &Path) -> String {
    std::fs::read_to_string(data_dir.join("postgres/PG_VERSION")).expect("a version").trim().to_owned()
}

/// Runs the service with one version. Returns how many sessions of the demo organization it exports.
fn sessions(data_dir: &Path, bin: &str) -> usize {
    let mut service = Service::start(data_dir, &[("SESSIONARY_POSTGRES_BIN", bin)]);
    let demo = std::fs::read_to_string(data_dir.join("demo.json")).expect("a file");
    let demo: serde_json::Value = serde_json::from_str(&demo).expect("JSON");
    let mut export = sessionary(data_dir);
    export.env("SESSIONARY_POSTGRES_BIN", bin).args(["session", "export", "--org"]);
    let exported = export.arg(demo["org_id"].as_str().expect("an id")).output().expect("the program runs");
    assert!(exported.status.success(), "{}", complaint(&exported));
    service.signal("TERM");
    service.wait();
    exported.stdout.iter().filter(|byte| **byte == b'\n').count()
}

/// Creates a data folder of the older version with a session of each dialect.
fn made_by_the_old(data_dir: &Path) -> usize {
    let mut service = Service::start(data_dir, &[("SESSIONARY_POSTGRES_BIN", &old())]);
    for (path, headers, body) in service.curl_lines() {
        assert!(service.ask("POST", &path, &headers, &body).0 < 300, "{path}");
    }
    service.signal("TERM");
    service.wait();
    let count = sessions(data_dir, &old());
    assert_eq!(count, 5);
    count
}

fn failed(command: &mut Command) -> String {
    let output: Output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    complaint(&output)
}

#[test]
fn an_upgrade_that_is_killed_leaves_the_old_database_and_can_be_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let count = made_by_the_old(&data_dir);
    let old_major = major(&data_dir);

    let said = failed(sessionary(&data_dir).env("SESSIONARY_POSTGRES_BIN", new()));
    assert!(said.contains("sessionary upgrade-postgres") && said.contains(&old_major), "{said}");

    for moment in ["upgrade/backup", "upgrade/postgres", "upgrade/socket", "upgrade/postgres.log"] {
        let mut killed = upgrade(&data_dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("an upgrade");
        until(moment, || data_dir.join(moment).exists().then_some(()));
        killed.kill().expect("a kill");
        killed.wait().expect("an end");
        assert_eq!(major(&data_dir), old_major, "{moment}");
        assert_eq!(sessions(&data_dir, &old()), count, "{moment}");
    }

    let report = json_of(&mut upgrade(&data_dir));
    assert_eq!(report["from"].to_string(), old_major);
    assert_eq!(report["to"].to_string(), major(&data_dir));
    assert_eq!(sessions(&data_dir, &new()), count);
    assert!(!data_dir.join("upgrade").exists() && !data_dir.join("upgraded").exists());
    // The old database is not deleted, and is complete.
    let kept = report["old_database"].as_str().expect("a path");
    assert_eq!(std::fs::read_to_string(Path::new(kept).join("PG_VERSION")).expect("a version").trim(), old_major);

    let said = failed(&mut upgrade(&data_dir));
    assert!(said.contains("nothing newer"), "{said}");
}

#[test]
fn an_upgrade_that_is_cut_off_after_its_decision_is_finished_by_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let count = made_by_the_old(&data_dir);
    json_of(&mut upgrade(&data_dir));
    // As if it had been interrupted between the two renames.
    std::fs::create_dir(data_dir.join("upgraded")).expect("a folder");
    std::fs::rename(data_dir.join("postgres"), data_dir.join("upgraded/postgres")).expect("a rename");
    assert_eq!(sessions(&data_dir, &new()), count);
    assert!(!data_dir.join("upgraded").exists());
}

#[test]
fn a_backup_of_either_is_restored_into_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (older, newer, again) = (folder.path().join("older"), folder.path().join("newer"), folder.path().join("again"));
    let count = made_by_the_old(&older);
    let file = folder.path().join("backup");
    for (from, from_bin, to, to_bin) in [(&older, old(), &newer, new()), (&newer, new(), &again, old())] {
        let mut backup = sessionary(from);
        json_of(backup.env("SESSIONARY_POSTGRES_BIN", from_bin).arg("backup").arg(&file));
        let mut restore = sessionary(to);
        json_of(restore.env("SESSIONARY_POSTGRES_BIN", &to_bin).arg("restore").arg(&file));
        std::fs::remove_file(&file).expect("a file");
        std::fs::copy(from.join("demo.json"), to.join("demo.json")).expect("a file");
        assert_eq!(sessions(to, &to_bin), count);
    }
}

#[test]
fn without_the_older_programs_nothing_is_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    made_by_the_old(&data_dir);
    // Of a version that does not exist.
    std::fs::write(data_dir.join("postgres/PG_VERSION"), "9\n").expect("a version");
    let said = failed(&mut upgrade(&data_dir));
    assert!(said.contains("made by PostgreSQL 9") && said.contains("Nothing was changed"), "{said}");
    assert_eq!(major(&data_dir), "9");
    let said = failed(&mut upgrade(&folder.path().join("empty")));
    assert!(said.contains("no database"), "{said}");
    assert!(!folder.path().join("empty").exists());
}
