//! Commands with and without a running service.

use serde_json::{Value, json};

use crate::support::process::{Service, complaint, json_of, sessionary};

/// Creates a database in a data folder, which only a service does.
fn make_database(data_dir: &std::path::Path) {
    let mut service = Service::start(data_dir, &[]);
    service.signal("TERM");
    assert_eq!(service.wait(), Some(0));
}

fn members(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn an_organization_a_key_and_an_agent_are_made_without_a_service_and_used_with_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let run = |arguments: &[&str]| json_of(sessionary(&data_dir).args(arguments));
    make_database(&data_dir);

    let org = run(&["org", "create", "--name", "Acme", "--external-id", "org_2abc123", "--responder", "echo"]);
    assert_eq!(org["responder"], json!({"kind": "echo"}));
    assert_eq!((&org["name"], &org["external_id"]), (&json!("Acme"), &json!("org_2abc123")));
    let org_id = org["org_id"].as_str().expect("an id").to_owned();

    let key = run(&[
        "key",
        "create",
        "--org",
        &org_id,
        "--name",
        "first",
        "--prefix",
        "zut",
        "--scopes",
        "chat:write",
        "--expires",
        "90d",
    ]);
    assert_eq!(members(&key), ["key_id", "org_id", "api_key", "expires_at"]);
    assert_eq!(key["org_id"], org["org_id"]);
    let api_key = key["api_key"].as_str().expect("a key").to_owned();
    assert!(api_key.starts_with("zut_") && api_key.len() == 40, "{api_key}");

    let id = "0b0e7a52-7f53-4b7e-9c4e-0d7c5a0f1a2b";
    let agent = run(&["agent", "create", "--org", "org_2abc123", "--name", "Helper", "--key", "helper", "--id", id]);
    let named = json!({"id": id, "key": "helper", "number": 1, "name": "Helper"});
    assert_eq!(
        ["id", "key", "number", "name"].map(|member| &agent[member]),
        ["id", "key", "number", "name"].map(|member| &named[member])
    );
    let agents = run(&["agent", "list", "--org", &org_id]);
    assert_eq!(agents, json!({"agents": [agent]}));
    let model = r#"{"kind":"openai","base_url":"https://api.example.com/v1","model":"m","key_env":"OPENAI_API_KEY"}"#;
    assert_eq!(
        run(&["dashboard", "rebuild", "--org", "org_2abc123", "--from", "2026-01-31T00:00:00Z"]),
        json!({"organizations": 1, "repaired_totals": 0, "folded_totals": 0, "repaired_conversations": 0})
    );
    let settings = ["--setting", "SESSION_TIMEOUT_MINUTES=20", "--setting", "GREETING=a=b"];
    let second = ["agent", "create", "--org", &org_id, "--name", "Second", "--responder", model];
    assert_eq!(run(&[&second[..], &settings[..]].concat())["number"], 2);
    let taken = sessionary(&data_dir)
        .args(["agent", "create", "--org", &org_id, "--name", "Other", "--key", "helper"])
        .output()
        .expect("the program runs");
    assert!(!taken.status.success() && complaint(&taken).contains("agent key is taken"), "{}", complaint(&taken));

    // With a running service now.
    let service = Service::start(&data_dir, &[]);
    let headers = [format!("x-api-key: {api_key}"), "content-type: application/json".to_owned()];
    let body = format!(r#"{{"agentId":"{id}","metadata":{{"b":1,"a":2}}}}"#);
    let (status, created) = service.ask("POST", "/v1/chat/chat/sessions", &headers, &body);
    assert_eq!(status, 201, "{created}");
    let created: Value = serde_json::from_str(&created).expect("JSON");
    assert_eq!(created["orgId"], "org_2abc123");

    let session = created["id"].as_str().expect("an id");
    let shown = run(&["session", "show", "--org", &org_id, session]);
    assert_eq!(shown["id"], session);
    assert_eq!(shown["dialect"], "agntix");
    assert_eq!(shown["metadata"].to_string(), r#"{"b":1,"a":2}"#);
    assert_eq!(shown["events"], json!([]));
    let listed = run(&["session", "list", "--org", &org_id, "--dialect", "agntix"]);
    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(1));
    let none = run(&["session", "list", "--org", &org_id, "--dialect", "messaging"]);
    assert_eq!(none, json!({"sessions": []}));
    let exported =
        sessionary(&data_dir).args(["session", "export", "--org", &org_id]).output().expect("the program runs");
    let lines: Vec<Value> = String::from_utf8_lossy(&exported.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["session"]["vendor_id"], session);
    assert_eq!(lines[0]["session"]["metadata"].to_string(), r#"{"b":1,"a":2}"#);
    assert_eq!(lines[0]["events"], json!([]));
    let file = data_dir.join("sessions.jsonl");
    std::fs::write(&file, &exported.stdout).expect("a file");
    let file = file.to_str().expect("UTF-8");
    for dry_run in [true, false] {
        let mut arguments = vec!["session", "import", "--org", &org_id, file];
        arguments.extend(dry_run.then_some("--dry-run"));
        let imported = run(&arguments);
        assert_eq!((&imported["existing"], &imported["created"]), (&json!(1), &json!(0)), "{imported}");
    }

    let organizations = run(&["org", "list"]);
    let names: Vec<&Value> =
        organizations["organizations"].as_array().expect("organizations").iter().map(|org| &org["name"]).collect();
    assert_eq!(names, ["Demo organization", "Acme"]);
    let keys = run(&["key", "list", "--org", &org_id]);
    assert_eq!(keys["keys"][0]["scopes"], json!(["sessions:write", "events:write"]));
    assert!(!keys.to_string().contains(&api_key));
    let beginning = format!("{}_{}", keys["keys"][0]["prefix"], keys["keys"][0]["hint"]).replace('"', "");
    assert!(api_key.starts_with(&beginning) && beginning.len() == "zut_".len() + 4, "{beginning}");

    run(&["key", "revoke", key["key_id"].as_str().expect("an id")]);
    // A revoked key is rejected within a second.
    crate::support::process::until("the key is refused", || {
        (service.ask("POST", "/v1/chat/chat/sessions", &headers, &body).0 == 401).then_some(())
    });
    run(&["org", "disable", &org_id]);
    assert_eq!(run(&["org", "list"])["organizations"][1]["disabled"], true);
}

#[test]
fn what_is_not_there_or_not_right_is_said_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let _service = Service::start(&data_dir, &[]);
    for (arguments, said) in [
        (&["agent", "list", "--org", "nobody"][..], "no such organization"),
        (&["key", "revoke", "0b0e7a52-7f53-4b7e-9c4e-0d7c5a0f1a2b"], "no such API key"),
        (&["key", "create", "--org", "x", "--name", "n", "--prefix", "_"], "prefix"),
        (&["key", "create", "--org", "x", "--name", "n", "--scopes", "everything"], "no such scope"),
        (&["key", "create", "--org", "x", "--name", "n", "--scopes", ""], "no scope is named"),
        (&["key", "create", "--org", "x", "--name", "n", "--scopes", ","], "no scope is named"),
        (&["key", "create", "--org", "x", "--name", "n", "--expires", "soon"], "a number and d, h or m"),
        (&["org", "create", "--name", "n", "--responder", "oracle"], "a responder is none, echo or a JSON object"),
        (&["org", "responder", "nobody", "echo"], "no such organization"),
        (&["org", "responder", "x", r#"{"kind":"webhook","url":"ftp://a.example"}"#], "starts with http"),
        (&["agent", "create", "--org", "x", "--name", "n", "--setting", "GREETING"], "NAME=VALUE"),
        (&["session", "list", "--org", "x", "--dialect", "latin"], "no such dialect"),
        (&["openapi", "latin"], "no such API"),
    ] {
        let output = sessionary(&data_dir).args(arguments).output().expect("the program runs");
        assert!(!output.status.success(), "{arguments:?}");
        assert!(complaint(&output).contains(said), "{arguments:?}: {}", complaint(&output));
    }
}

#[test]
fn openapi_needs_no_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let one = json_of(sessionary(&data_dir).args(["openapi", "agnost"]));
    assert_eq!(one["info"]["title"], "Agnost AI");
    let all = json_of(sessionary(&data_dir).args(["openapi"]));
    assert_eq!(members(&all), ["agnost", "agntix", "agent_key", "messaging", "integer_id", "sessionary"]);
    assert!(!data_dir.exists());
}
