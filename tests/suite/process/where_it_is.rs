//! Only a service creates a database. Other commands report where they looked and what to do.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::process::{Service, complaint, json_of, sessionary};
use crate::support::{database_url, make_database, run};

const COMMANDS: [&[&str]; 6] = [
    &["org", "list"],
    &["org", "create", "--name", "x"],
    &["migrate"],
    &["doctor"],
    &["key", "list", "--org", "x"],
    &["session", "export", "--org", "x"],
];

#[test]
fn commands_in_another_folder_create_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    for data_dir in [folder.path().join("data"), empty] {
        for command in COMMANDS {
            let output = sessionary(&data_dir).args(command).output().expect("the program runs");
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            let said = complaint(&output) + &String::from_utf8_lossy(&output.stdout);
            for part in [data_dir.to_str().expect("UTF-8"), "sessionary serve", "DATABASE_URL"] {
                assert!(said.contains(part), "{command:?}: {said}");
            }
        }
        let left = std::fs::read_dir(&data_dir).map(Iterator::count).unwrap_or_default();
        assert_eq!(left, 0, "something was created in {}", data_dir.display());
    }
    // A folder is searched where the command runs.
    let output = sessionary(".sessionary".as_ref()).current_dir(folder.path()).args(["org", "list"]).output();
    let said = complaint(&output.expect("the program runs"));
    assert!(said.contains(folder.path().join(".sessionary").to_str().expect("UTF-8")), "{said}");
}

#[test]
fn a_named_database_is_not_migrated_by_a_command() {
    let (name, folder) = ("never_migrated", tempfile::tempdir().expect("a folder"));
    run(make_database(name));
    let url = run(database_url(name));
    let command = |arguments: &[&str]| {
        let mut command = sessionary(&folder.path().join("data"));
        command.args(arguments).env("DATABASE_URL", &url);
        command
    };
    for arguments in [&["org", "list"][..], &["doctor"]] {
        let output = command(arguments).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = complaint(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("run `sessionary migrate`") && said.contains(name), "{said}");
    }
    let migrated = json_of(&mut command(&["migrate"]));
    assert!(migrated["applied"].as_array().is_some_and(|applied| applied.len() > 10), "{migrated}");
    assert_eq!(json_of(&mut command(&["migrate"]))["applied"], serde_json::json!([]));
    assert_eq!(json_of(&mut command(&["org", "list"])), serde_json::json!({"organizations": []}));
}

#[test]
fn a_database_that_cannot_be_reached_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let missing = run(database_url("no_such_database"));
    for (url, parts) in [
        (format!("postgres://u:hidden@{closed}/d"), [closed.port().to_string(), "check that Postgres runs".to_owned()]),
        (missing, ["no_such_database".to_owned(), "CREATE DATABASE".to_owned()]),
    ] {
        for command in [&["org", "list"][..], &["migrate"], &["serve"], &["doctor"]] {
            let mut program = sessionary(&folder.path().join("data"));
            let output = program.args(command).env("DATABASE_URL", &url).output().expect("the program runs");
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            let said = complaint(&output) + &String::from_utf8_lossy(&output.stdout);
            assert!(parts.iter().all(|part| said.contains(part)), "{command:?}: {said}");
            // The driver would add the line of Postgres's source.
            assert!(!said.contains("hidden") && !said.contains(" at line "), "{command:?}: {said}");
        }
    }
}

/// Implements as much of Postgres's protocol as a client needs to see version 14.
fn old_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut start = [0; 1024];
            if stream.read(&mut start).is_err() {
                continue;
            }
            let message = |kind: u8, body: &[u8]| {
                let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
                [&[kind][..], &length, body].concat()
            };
            let reply = [
                message(b'R', &[0; 4]),
                message(b'S', b"server_version\x0014.9 (Debian 14.9-1)\0"),
                message(b'K', &[0; 8]),
                message(b'Z', b"I"),
            ];
            let _ = stream.write_all(&reply.concat());
            let _ = stream.read(&mut start);
        }
    });
    format!("postgres://u@{address}/d?sslmode=disable")
}

#[test]
fn a_postgres_that_is_too_old_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = old_server();
    for command in [&["org", "list"][..], &["migrate"], &["serve"], &["doctor"]] {
        let mut program = sessionary(&folder.path().join("data"));
        let output = program.args(command).env("DATABASE_URL", &url).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let said = complaint(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("version 14.9") && said.contains("15 or newer"), "{command:?}: {said}");
    }
}

#[test]
fn a_private_database_is_migrated_by_serve_and_migrate_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut service = Service::start(&data_dir, &[]);
    assert_eq!(json_of(sessionary(&data_dir).arg("migrate"))["applied"], serde_json::json!([]));
    service.signal("TERM");
    assert_eq!(service.wait(), Some(0));
    assert_eq!(json_of(sessionary(&data_dir).arg("migrate"))["applied"], serde_json::json!([]));
}
