//! Commands change only what their arguments name, and report what they changed.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::process::{Service, complaint, json_of, sessionary, until};

/// A service, and commands that run at the same time.
struct Beside {
    service: Service,
    folder: tempfile::TempDir,
}

impl Beside {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { service: Service::start(&folder.path().join("data"), &[]), folder }
    }

    fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        json_of(sessionary(&self.data_dir()).args(arguments))
    }

    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        text(&self.data_dir(), arguments)
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = sessionary(&self.data_dir()).args(arguments).output().expect("the program runs");
        assert!(!output.status.success(), "{arguments:?}");
        complaint(&output)
    }

    #[track_caller]
    fn organization(&self) -> String {
        let made = self.json(&["org", "create", "--name", "Acme", "--external-id", "org_acme"]);
        made["org_id"].as_str().expect("an id").to_owned()
    }
}

#[track_caller]
fn text(data_dir: &Path, arguments: &[&str]) -> String {
    let output = sessionary(data_dir).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{arguments:?}: {}", complaint(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_limit_is_changed_alone_and_reset_by_a_word() {
    let beside = Beside::start();
    let org = beside.organization();
    let limits = |arguments: &[&str]| beside.json(&[&["org", "limits", &org], arguments].concat());
    let closed = limits(&["--capture-closed", "--writes", "7"]);
    assert_eq!((&closed["capture_open"], &closed["limits"]), (&json!(false), &json!({"writes": 7})));
    assert_eq!(closed["changed"], json!(["capture_open", "limits.writes"]));
    // The capture stays closed, and the other limit is unchanged.
    let more = limits(&["--reads", "9"]);
    assert_eq!((&more["capture_open"], &more["limits"]), (&json!(false), &json!({"writes": 7, "reads": 9})));
    assert_eq!(more["changed"], json!(["limits.reads"]));
    // Without arguments nothing is changed.
    let same = limits(&[]);
    assert_eq!((&same["limits"], &same["changed"]), (&more["limits"], &json!([])));
    let reset = limits(&["--writes", "default", "--capture-open"]);
    assert_eq!((&reset["capture_open"], &reset["limits"]), (&json!(true), &json!({"reads": 9})));
    let shown = beside.text(&["org", "limits", &org, "--reads", "default"]);
    for part in [org.as_str(), "Changed reads: 9 a minute -> 3000 a minute (default).", "captures with x-org-id alone"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(beside.text(&["org", "limits", &org]).contains("Nothing was changed."));
    assert!(beside.fails(&["org", "limits", &org, "--reads", "0"]).contains("reads"));

    // Those of all credentials together.
    let total = limits(&["--total-writes", "70", "--total-capture", "8"]);
    assert_eq!(total["total_limits"], json!({"capture": 8, "writes": 70}));
    assert_eq!(
        (&total["limits"], &total["changed"]),
        (&json!({}), &json!(["total_limits.capture", "total_limits.writes"]))
    );
    let shown = beside.text(&["org", "limits", &org, "--total-writes", "default"]);
    assert!(
        shown.contains("writes of all credentials: 70 a minute -> 5 times those of a credential (default)"),
        "{shown}"
    );
}

#[test]
fn every_setting_of_an_organization_is_shown_and_changed_alone() {
    let beside = Beside::start();
    let org = beside.organization();
    let model = r#"{"kind":"webhook","url":"https://example.com/hook?token=hidden"}"#;
    let changed = beside.json(&["org", "responder", "org_acme", model]);
    assert_eq!((&changed["responder"]["kind"], &changed["changed"]), (&json!("webhook"), &json!(["responder"])));
    let storage = |arguments: &[&str]| beside.json(&[&["org", "storage", &org], arguments].concat());
    assert_eq!(storage(&[])["quota_bytes"], Value::Null);
    assert_eq!(storage(&["--quota", "1000000"])["quota_bytes"], 1_000_000);
    assert_eq!(storage(&[])["quota_bytes"], 1_000_000);
    let disabled = beside.json(&["org", "disable", &org]);
    assert_eq!(disabled["changed"], json!(["disabled_at"]));
    assert_eq!(beside.json(&["org", "disable", &org])["disabled_at"], disabled["disabled_at"]);
    let shown = beside.text(&["org", "show", &org]);
    for part in ["disabled since", "webhook: https://example.com/hook", "1000000 bytes", "org_acme"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("hidden"), "{shown}");
    let enabled = beside.text(&["org", "enable", &org]);
    assert!(enabled.contains("-> enabled"), "{enabled}");
    assert_eq!(storage(&["--quota", "default"])["quota_bytes"], Value::Null);
    let last = beside.json(&["org", "show", &org]);
    assert_eq!((&last["disabled_at"], &last["responder"]["kind"]), (&Value::Null, &json!("webhook")));
}

#[test]
fn an_agent_is_shown_changed_and_deleted_by_any_of_its_names() {
    let beside = Beside::start();
    let org = beside.organization();
    let agent =
        |command: &str, arguments: &[&str]| beside.json(&[&["agent", command, "--org", &org], arguments].concat());
    let made = agent("create", &["--name", "Helper", "--key", "helper", "--setting", "A=1", "--setting", "B=2"]);
    let id = made["id"].as_str().expect("an id");
    for name in [id, "helper", "1"] {
        assert_eq!(agent("show", &[name])["id"], id, "{name}");
    }
    let updated = agent("update", &["helper", "--name", "Other", "--disable", "--unset", "A", "--setting", "C=3"]);
    assert_eq!(updated["changed"], json!(["name", "enabled", "settings"]));
    assert_eq!((&updated["name"], &updated["enabled"]), (&json!("Other"), &json!(false)));
    assert_eq!(updated["settings"], json!({"messaging": {"B": "2", "C": "3"}}));
    let echo = agent("update", &["1", "--responder", "echo"]);
    assert_eq!((&echo["responder"]["kind"], &echo["enabled"]), (&json!("echo"), &json!(false)));
    assert_eq!(agent("update", &["1", "--responder", "default"])["responder"], Value::Null);
    assert_eq!(agent("update", &["1"])["changed"], json!([]));
    assert!(beside.fails(&["agent", "update", "--org", &org, "1", "--unset", "X"]).contains("no setting X"));

    // `1` is now the key of one and the number of another.
    let second = agent("create", &["--name", "Second", "--key", "1"]);
    assert!(beside.fails(&["agent", "delete", "--org", &org, "1"]).contains("use the UUID"));
    agent("delete", &[second["id"].as_str().expect("an id")]);
    assert_eq!(agent("delete", &["1"])["deleted"], true);
    assert!(beside.fails(&["agent", "show", "--org", &org, "helper"]).contains("no such agent"));
    assert_eq!(agent("create", &["--name", "Third", "--key", "helper"])["number"], 3);
}

#[test]
fn a_rotated_key_ends_at_once_or_after_an_overlap() {
    let beside = Beside::start();
    let org = beside.organization();
    let create = ["key", "create", "--org", &org, "--name", "first", "--prefix", "zut", "--scopes", "sessions:read"];
    let first = beside.json(&[&create[..], &["--expires", "10d"]].concat());
    let printed = beside.text(&create);
    let listed = beside.json(&["key", "list", "--org", &org])["keys"].take();
    let second = listed[1]["key_id"].as_str().expect("an id").to_owned();
    assert!(printed.contains(&second) && printed.contains("zut_"), "{printed}");

    let status = |key: &Value| {
        let header = format!("x-api-key: {}", key["api_key"].as_str().expect("a key"));
        beside.service.ask("GET", "/v1/chat/chat/sessions", &[header], "").0
    };
    let id = |key: &Value| key["key_id"].as_str().expect("an id").to_owned();
    assert_eq!(status(&first), 200);
    let overlapping = beside.json(&["key", "rotate", &id(&first), "--overlap", "1h"]);
    assert_eq!((status(&first), status(&overlapping)), (200, 200));
    let shown = beside.json(&["key", "show", &id(&overlapping)]);
    assert_eq!((&shown["name"], &shown["prefix"]), (&json!("first"), &json!("zut")));
    assert_eq!(shown["scopes"], json!(["sessions:read"]));
    let time =
        |value: &Value| value.as_str().expect("a time").parse::<sessionary::domain::Timestamp>().expect("a time");
    let lifetime = time(&shown["expires_at"]) - time(&shown["created_at"]);
    assert_eq!(lifetime, chrono::TimeDelta::days(10));
    let old = beside.json(&["key", "show", &id(&first)]);
    assert_eq!((time(&old["expires_at"]) - time(&shown["created_at"])).num_hours(), 1);

    let at_once = beside.json(&["key", "rotate", &id(&overlapping), "--expires", "5m"]);
    assert_eq!(at_once["replaces"]["key_id"], overlapping["key_id"]);
    until("the old key is rejected", || (status(&overlapping) == 401).then_some(()));
    assert_eq!(status(&at_once), 200);
    assert!(beside.fails(&["key", "rotate", &id(&overlapping)]).contains("has been revoked"));
    let revoked = beside.text(&["key", "revoke", &id(&at_once)]);
    assert!(revoked.contains("is revoked"), "{revoked}");
    let again = beside.text(&["key", "revoke", &id(&at_once)]);
    assert!(again.contains("was revoked at"), "{again}");
}

#[test]
fn the_addresses_of_a_key_are_set_changed_copied_and_removed() {
    let beside = Beside::start();
    let org = beside.organization();
    let networks = ["--allow-address", "203.0.113.7/24", "--allow-address", "::ffff:198.51.100.7"];
    let made = beside.json(&[&["key", "create", "--org", &org, "--name", "bound"][..], &networks].concat());
    let id = made["key_id"].as_str().expect("an id").to_owned();
    let status = |key: &Value| {
        let header = format!("x-api-key: {}", key["api_key"].as_str().expect("a key"));
        beside.service.ask("GET", "/v1/chat/chat/sessions", &[header], "").0
    };
    assert_eq!(status(&made), 403, "the test is at 127.0.0.1");
    let listed = beside.json(&["key", "list", "--org", &org]);
    assert_eq!(listed["keys"][0]["allowed_addresses"], json!(["203.0.113.0/24", "198.51.100.7/32"]));
    assert_eq!(
        (&listed["keys"][0]["state"], &listed["keys"][0]["last_used_at"]),
        (&json!("active"), &Value::Null),
        "{listed}"
    );

    let changed = beside.text(&["key", "change", &id, "--allow-address", "127.0.0.0/8"]);
    assert!(changed.contains("Changed addresses: 203.0.113.0/24,198.51.100.7/32 -> 127.0.0.0/8."), "{changed}");
    assert!(beside.text(&["key", "change", &id, "--allow-address", "127.1.1.1/8"]).contains("Nothing was changed."));
    until("the change is applied", || (status(&made) == 200).then_some(()));
    let rotated = beside.json(&["key", "rotate", &id, "--overlap", "1h"]);
    let new = rotated["key_id"].as_str().expect("an id").to_owned();
    assert_eq!(beside.json(&["key", "show", &new])["allowed_addresses"], json!(["127.0.0.0/8"]));
    assert_eq!(beside.json(&["key", "show", &id])["state"], "expiring");
    assert!(beside.text(&["key", "list", "--org", &org]).contains("EXPIRING, good until"));
    until("the last use is written", || beside.json(&["key", "show", &id])["last_used_at"].as_str().map(str::to_owned));
    assert_eq!(beside.json(&["key", "change", &new, "--allow-any-address"])["allowed_addresses"], json!([]));

    let many: Vec<String> =
        (0..33).flat_map(|last| ["--allow-address".to_owned(), format!("192.0.2.{last}")]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(beside.fails(&[&["key", "change", &new][..], &many].concat()).contains("1 to 32 networks"));
    for bad in [&["--allow-address", "example.com"][..], &[], &["--allow-any-address", "--allow-address", "::1"]] {
        beside.fails(&[&["key", "change", &new][..], bad].concat());
    }
    beside.json(&["key", "revoke", &new]);
    assert!(beside.fails(&["key", "change", &new, "--allow-any-address"]).contains("has been revoked"));
}

#[test]
fn lists_have_heads_or_say_that_they_are_empty() {
    let beside = Beside::start();
    let org = beside.organization();
    for (list, name) in [("agent", "agents"), ("key", "keys"), ("session", "sessions"), ("webhook", "webhooks")] {
        assert_eq!(beside.text(&[list, "list", "--org", &org]), format!("No {name}.\n"));
        assert_eq!(beside.json(&[list, "list", "--org", &org]), json!({name: []}));
    }
    assert_eq!(beside.text(&["webhook", "deliveries", "--org", &org]), "No deliveries.\n");
    // A name is one cell, whatever it contains.
    beside.json(&["agent", "create", "--org", &org, "--key", "k", "--name", "a\u{1b}[2Jb\nc"]);
    let listed = beside.text(&["agent", "list", "--org", &org]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with("NAME"), "{listed}");
    assert!(lines.len() == 2 && lines[1].ends_with("a\\u{1b}[2Jb\\nc"), "{listed}");
    assert!(beside.text(&["org", "list"]).starts_with("ID "));
}
