//! `erase` and `org retention` beside a running service.

use serde_json::{Value, json};

use crate::support::process::{Service, complaint, json_of, sessionary, until};

#[test]
fn a_user_is_erased_by_the_service_and_the_receipt_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[]);
    let run = |arguments: &[&str]| json_of(sessionary(&data_dir).args(arguments));
    let fails = |arguments: &[&str], words: &str| {
        let output = sessionary(&data_dir).args(arguments).output().expect("the program runs");
        assert!(!output.status.success() && complaint(&output).contains(words), "{}", complaint(&output));
    };
    let org = run(&["org", "create", "--name", "Acme", "--external-id", "org_acme"])["org_id"].clone();
    let org = org.as_str().expect("an id");
    let agent = "0b0e7a52-7f53-4b7e-9c4e-0d7c5a0f1a2b";
    run(&["agent", "create", "--org", org, "--name", "Helper", "--id", agent]);
    let key = run(&["key", "create", "--org", org, "--name", "first"])["api_key"].clone();
    let headers = [format!("x-api-key: {}", key.as_str().expect("a key")), "content-type: application/json".to_owned()];
    let mut sessions = Vec::new();
    for user in ["ann", "bob"] {
        let body = json!({ "agentId": agent, "metadata": { "userId": user } }).to_string();
        let (status, created) = service.ask("POST", "/v1/chat/chat/sessions", &headers, &body);
        assert_eq!(status, 201, "{created}");
        let created: Value = serde_json::from_str(&created).expect("JSON");
        sessions.push(created["id"].as_str().expect("an id").to_owned());
    }

    let forever = json!({ "org_id": org, "rules": [], "held_since": null });
    assert_eq!(run(&["org", "retention", org]), forever);
    let old = run(&["org", "retention", org, "--days", "30", "--dry-run"]);
    assert_eq!(old, json!({ "sessions": {}, "events": 0, "contacts": 0 }));
    let rule = run(&["org", "retention", org, "--dialect", "agntix", "--days", "30", "--hold", "on"]);
    assert_eq!(rule["rules"], json!([{ "dialect": "agntix", "days": 30 }]));
    assert!(rule["held_since"].is_string(), "{rule}");
    fails(&["erase", "--org", org, "--user", "ann"], "legal hold");
    assert_eq!(run(&["org", "retention", org, "--days", "off", "--hold", "off"]), forever);
    fails(&["org", "retention", org, "--days", "0"], "1 to 36500 days, or off");

    fails(&["erase", "--org", org], "required");
    fails(&["erase", "--org", org, "--user", "ann", "--everything"], "cannot be used with");
    fails(&["erase", "--org", org, "--session", "nothing"], "no such session");
    fails(&["erase", "--org", org, "--everything"], "disable it first");
    let preview = run(&["erase", "--org", org, "--user", "ann", "--dry-run"]);
    assert_eq!(preview, json!({ "sessions": { "agntix": 1 }, "events": 0, "contacts": 0 }));

    let requested = run(&["erase", "--org", org, "--user", "ann"]);
    assert_eq!((&requested["scope"], &requested["state"]), (&json!("user"), &json!("running")));
    let path = |session: &str| format!("/v1/chat/chat/sessions/{session}");
    until("the session is gone", || (service.ask("GET", &path(&sessions[0]), &headers, "").0 == 404).then_some(()));
    assert_eq!(service.ask("GET", &path(&sessions[1]), &headers, "").0, 200);
    let id = requested["erasure_id"].as_str().expect("an id");
    let proof = requested["proof"].as_str().expect("a proof");
    let receipt = until("the first pass is over", || {
        Some(run(&["erase", "--receipt", id, "--user", "ann", "--proof", proof]))
            .filter(|row| row["state"] == "settling")
    });
    assert_eq!((&receipt["rows"]["sessions"], &receipt["is_of_user"]), (&json!(1), &json!(true)), "{receipt}");
    let other = run(&["erase", "--receipt", id, "--user", "bob", "--proof", proof]);
    assert_eq!(other["is_of_user"], json!(false));
    fails(&["erase", "--receipt", org], "no such erasure");
    let (_, metrics) = service.ask("GET", "/metrics", &[], "");
    assert!(metrics.contains(r#"sessionary_erased_rows_total{scope="user",table="sessions"} 1"#), "{metrics}");
}
