//! The reader of the logs may have closed or stopped, or the disk may be full. The service continues, and what it
//! acknowledges is stored.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::process::{Service, json_of, sessionary};

/// Creates this many sessions, each of which must be acknowledged, then ends the service by SIGTERM.
fn creates_and_ends(mut service: Service, data_dir: &Path, count: usize) {
    let (path, headers, body) = service.curl_lines().swap_remove(1);
    for _ in 0..count {
        let (status, answer) = service.ask("POST", &path, &headers, &body);
        assert_eq!(status, 201, "{answer}");
    }
    let (_, metrics) = service.ask("GET", "/metrics", &[], "");
    assert!(metrics.contains("sessionary_log_lines_dropped_total"), "{metrics}");
    service.signal("TERM");
    assert_eq!(service.wait(), Some(0));

    let demo: Value =
        serde_json::from_slice(&std::fs::read(data_dir.join("demo.json")).expect("demo.json")).expect("JSON");
    let org = demo["org_id"].as_str().expect("an organization");
    let listed = json_of(sessionary(data_dir).args(["session", "list", "--org", org, "--limit", "1000"]));
    assert_eq!(listed["sessions"].as_array().expect("sessions").len(), count);
}

#[test]
fn a_reader_that_is_gone_loses_its_lines_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let service = Service::start_logging_to(&data_dir, &[("RUST_LOG", "debug")], writer.into());
    creates_and_ends(service, &data_dir, 20);
}

#[test]
fn a_reader_that_has_stopped_blocks_neither_requests_nor_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let service = Service::start_logging_to(&data_dir, &[("RUST_LOG", "trace")], writer.into());
    creates_and_ends(service, &data_dir, 400);
    let mut log = Vec::new();
    reader.read_to_end(&mut log).expect("what the pipe had room for");
    // A pipe takes 64 KiB, 400 requests log more.
    assert!(log.len() > 60 * 1024, "the reader was never in the way: {} bytes", log.len());
}

#[test]
fn a_full_disk_under_the_log_is_no_matter() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let service = Service::start_logging_to(&data_dir, &[], Stdio::from(full));
    creates_and_ends(service, &data_dir, 20);
}
