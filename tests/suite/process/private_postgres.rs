//! The private Postgres, seen from outside the program that runs it.

use crate::support::process::{Service, complaint, is_running, postmaster, sessionary, until};

#[test]
fn nothing_is_left_of_a_service_that_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut service = Service::start(&data_dir, &[]);
    let postgres = postmaster(&data_dir);
    assert!(is_running(postgres));
    service.signal("KILL");
    service.wait();
    until("the guard has ended Postgres", || (!is_running(postgres)).then_some(()));
}

#[test]
fn a_second_service_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[]);
    let output = sessionary(&data_dir).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains(&data_dir.display().to_string()), "{}", complaint(&output));
    assert_eq!(service.ask("GET", "/readyz", &[], "").0, 200);
}

#[test]
fn a_cluster_of_another_major_version_is_named_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut service = Service::start(&data_dir, &[]);
    service.signal("TERM");
    service.wait();
    let version = data_dir.join("postgres/PG_VERSION");
    let theirs = std::fs::read_to_string(&version).expect("a version");
    std::fs::write(&version, "9\n").expect("another version");
    let output = sessionary(&data_dir).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = complaint(&output);
    assert!(said.contains('9') && said.contains(&data_dir.display().to_string()), "{said}");
    std::fs::write(&version, theirs).expect("the old version");
    let service = Service::start(&data_dir, &[]);
    assert_eq!(service.ask("GET", "/readyz", &[], "").0, 200);
}
