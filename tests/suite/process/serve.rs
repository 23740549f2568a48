//! `sessionary` without arguments.

use serde_json::Value;

use crate::support::process::{Service, json_of, postmaster, sessionary, until};

/// The secret of one test's tokens.
const SIGNED_WITH: &str = "a secret between the provider and the service";

#[test]
fn an_empty_folder_becomes_a_service_whose_five_lines_outlive_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut service = Service::start(&data_dir, &[]);
    let lines = service.curl_lines();
    assert_eq!(lines.len(), 5, "{}", service.printed);
    let printed: Vec<_> = lines.iter().map(|(path, _, body)| (path.clone(), body.clone())).collect();
    assert_eq!(calls_of_the_readme(), printed);
    for (path, headers, body) in &lines {
        let (status, answer) = service.ask("POST", path, headers, body);
        assert_eq!(status, if path.ends_with("capture-session") { 200 } else { 201 }, "{path}: {answer}");
    }
    service.signal("KILL");
    service.wait();

    let demo: Value =
        serde_json::from_slice(&std::fs::read(data_dir.join("demo.json")).expect("demo.json")).expect("JSON");
    let org = demo["org_id"].as_str().expect("an organization").to_owned();
    let listed = json_of(sessionary(&data_dir).args(["session", "list", "--org", &org]));
    let mut dialects: Vec<&str> = listed["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .map(|session| session["dialect"].as_str().expect("a dialect"))
        .collect();
    dialects.sort_unstable();
    assert_eq!(dialects, ["agent_key", "agnost", "agntix", "integer_id", "messaging"]);

    // The same organization, key and agents exist after a restart.
    let service = Service::start(&data_dir, &[]);
    assert!(service.printed.contains(&org), "{}", service.printed);
    assert!(service.printed.contains(demo["api_key"].as_str().expect("a key")), "{}", service.printed);
    let (path, headers, body) = &service.curl_lines()[1];
    assert_eq!(service.ask("POST", path, headers, body).0, 201);
}

/// Returns the paths and bodies of the calls that the README begins with.
fn calls_of_the_readme() -> Vec<(String, String)> {
    let readme = include_str!("../../../README.md").replace("\\\n", "");
    let section = readme.split("\n## ").find(|section| section.starts_with("Five first calls")).expect("the calls");
    let block = section.split("```console").nth(1).and_then(|text| text.split("```").next()).expect("a block");
    let calls = block.lines().filter_map(|line| line.strip_prefix("$ curl -s localhost:3000"));
    let quoted = |line: &str| line.rsplit('\'').nth(1).expect("a body").to_owned();
    calls.map(|line| (line.split(' ').next().expect("a path").to_owned(), quoted(line))).collect()
}

#[test]
fn the_demo_organization_is_known_by_its_id_and_not_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let run = |arguments: &[&str]| json_of(sessionary(&data_dir).args(arguments));
    let demo = || -> Value {
        let _service = Service::start(&data_dir, &[]);
        serde_json::from_slice(&std::fs::read(data_dir.join("demo.json")).expect("demo.json")).expect("JSON")
    };
    let first = demo();
    let another = run(&["org", "create", "--name", "Demo organization"])["org_id"].clone();
    // Another owner's organization is not used as the demo, not even one with the demo's id as its external id.
    let id = first["org_id"].as_str().expect("an id").to_owned();
    let impostor = run(&["org", "create", "--name", "Other", "--external-id", &id])["org_id"].clone();
    // Without its file it is found again, with a new key.
    std::fs::remove_file(data_dir.join("demo.json")).expect("demo.json");
    let again = demo();
    assert_eq!(again["org_id"], first["org_id"]);
    assert_ne!(again["api_key"], first["api_key"]);
    for other in [&another, &impostor] {
        let agents = run(&["agent", "list", "--org", other.as_str().expect("an id")]);
        assert_eq!(agents["agents"], serde_json::json!([]));
    }
    run(&["org", "disable", &id]);
    std::fs::remove_file(data_dir.join("demo.json")).expect("demo.json");
    let other = demo();
    assert_ne!(other["org_id"], first["org_id"], "the operator disabled it");
    assert_eq!(demo()["org_id"], other["org_id"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_soft_limit_of_file_descriptors_is_raised_to_the_hard_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start_limited(&folder.path().join("data"), "ulimit -Sn 300 && ulimit -Hn 2000");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.child.id())).expect("limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["2000", "2000"], "{files}");
    // 256 are reserved, and each connection may need two.
    // A separate thread writes the log, so the line may come after the service is ready.
    crate::support::process::until("the limit is logged", || service.log().contains("872").then_some(()));
    assert_eq!(service.ask("GET", "/readyz", &[], "").0, 200);
}

#[test]
fn a_secret_that_is_too_short_is_said_before_anything_is_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut command = sessionary(&data_dir);
    let output = command.env("SESSIONARY_JWT_HS256_SECRET", "x".repeat(31)).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let complaint = crate::support::process::complaint(&output);
    assert!(complaint.contains("SESSIONARY_JWT_HS256_SECRET") && complaint.contains("32"), "{complaint}");
    assert!(!data_dir.exists(), "something was started");
}

#[test]
fn the_demo_is_written_down_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[]);
    let file = data_dir.join("demo.json");
    assert_eq!(std::fs::metadata(&file).expect("demo.json").permissions().mode() & 0o777, 0o600);
    let demo: Value = serde_json::from_slice(&std::fs::read(&file).expect("demo.json")).expect("JSON");
    let members: Vec<&String> = demo.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["org_id", "api_key", "key_id", "agents", "base_url"]);
    assert_eq!(demo["base_url"], service.base_url.as_str());
    let names: Vec<Vec<&String>> = demo["agents"]
        .as_array()
        .expect("agents")
        .iter()
        .map(|agent| agent.as_object().expect("an object").keys().collect())
        .collect();
    assert_eq!(names, [["id", "key", "number", "name"], ["id", "key", "number", "name"]]);
    assert_eq!(demo["agents"][0]["id"], "a1b2c3d4-e5f6-7890-abcd-ef1234567890");
    assert_eq!(demo["agents"][0]["key"], "customer_support");
    assert_eq!(demo["agents"][0]["number"], 123);
    assert_eq!(demo["agents"][0]["name"], "Sales Support Agent");
    assert_eq!(demo["agents"][1]["id"], "3c90c3cc-0d44-4b50-8888-8dd25736052a");
    assert!(demo["agents"][1]["number"].as_i64().is_some_and(|number| number > 123));
}

#[test]
fn anonymous_callers_of_the_messaging_dialect_speak_for_the_demo_organization() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder.path().join("data"), &[]);
    let (path, _, body) = &service.curl_lines()[3];
    let json = "content-type: application/json".to_owned();
    assert_eq!(service.ask("POST", path, std::slice::from_ref(&json), body).0, 201);
    let foreign = "origin: https://evil.example".to_owned();
    assert_eq!(service.ask("POST", path, &[json, foreign], body).0, 401);
}

#[test]
fn termination_ends_the_service_and_its_postgres_in_order() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = folder.path().join("data");
        let mut service = Service::start(&data_dir, &[]);
        let postgres = postmaster(&data_dir);
        service.signal(signal);
        assert_eq!(service.wait(), Some(0), "{signal}: {}", service.log());
        assert!(!crate::support::process::is_running(postgres), "{signal}: Postgres is left");
    }
}

#[test]
fn a_postgres_that_ends_by_itself_ends_the_service_with_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut service = Service::start(&data_dir, &[]);
    let killed = std::process::Command::new("kill").args(["-s", "KILL", &postmaster(&data_dir).to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    assert_eq!(service.wait(), Some(1), "{}", service.log());
    assert!(service.log().contains("private Postgres ended by itself"), "{}", service.log());
    // It starts again.
    let service = Service::start(&data_dir, &[]);
    assert_eq!(service.ask("GET", "/readyz", &[], "").0, 200);
}

#[test]
fn a_taken_port_is_said_before_anything_is_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = sessionary(&data_dir).env("SESSIONARY_LISTEN", &address).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let complaint = crate::support::process::complaint(&output);
    assert!(complaint.contains(&address) && complaint.contains("SESSIONARY_LISTEN"), "{complaint}");
    assert!(!data_dir.exists());
}

#[test]
fn logs_tell_what_was_asked_and_never_a_credential_or_a_body() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let settings = [("RUST_LOG", "trace"), ("SESSIONARY_JWT_HS256_SECRET", SIGNED_WITH)];
    let service = Service::start(&data_dir, &settings);
    let demo: Value =
        serde_json::from_slice(&std::fs::read(data_dir.join("demo.json")).expect("demo.json")).expect("JSON");
    let key = demo["api_key"].as_str().expect("a key");
    let headers =
        [format!("x-api-key: {key}"), "content-type: application/json".to_owned(), "x-request-id: find-me".to_owned()];
    let body = r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","metadata":{"said":"a-secret-confession"}}"#;
    assert_eq!(service.ask("POST", "/v1/chat/chat/sessions", &headers, body).0, 201);
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoic2VjcmV0LXRva2VuIn0.c2lnbmF0dXJl";
    let bearer = [format!("authorization: Bearer {token}")];
    assert_eq!(service.ask("GET", "/v1/chat/chat/sessions/x", &bearer, "").0, 401);
    let (status, made) = service.ask("POST", "/v1/chat/api-keys", &headers[..2], r#"{"name":"x"}"#);
    assert_eq!(status, 201, "{made}");
    let made: Value = serde_json::from_str(&made).expect("JSON");

    // Where browsers put tokens: an invalid one, a key that is rejected there, and a token of no organization.
    let claims = serde_json::json!({"iss": "https://clerk.example.com", "exp": 4_102_444_800_u64});
    let signed = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &claims,
        &jsonwebtoken::EncodingKey::from_secret(SIGNED_WITH.as_bytes()),
    )
    .expect("a token");
    for (secret, status) in [(token, 401), (key, 401), (signed.as_str(), 403)] {
        let stream = "/v1/chat/events/stream";
        assert_eq!(service.ask("GET", &format!("{stream}?token={secret}"), &[], "").0, status);
        assert_eq!(service.ask("GET", stream, &[format!("cookie: __session={secret}")], "").0, status);
        assert_eq!(service.ask("GET", &format!("/v1/chat/nothing?token={secret}"), &[], "").0, 404);
    }

    let line: Value = until("the request is logged", || {
        let log = service.log();
        let line = log.lines().find(|line| line.contains("\"http.request\"") && line.contains("find-me"))?;
        serde_json::from_str(line).ok()
    });
    assert_eq!(line["http.method"], "POST");
    assert_eq!(line["http.route"], "/v1/chat/chat/sessions");
    assert_eq!(line["http.status"], 201);
    assert_eq!(line["dialect"], "agntix");
    assert_eq!(line["org"], demo["org_id"]);
    assert!(line["http.latency_us"].is_u64());
    let log = service.log();
    let made = made["key"].as_str().expect("a key");
    for secret in [key, made, "a-secret-confession", token, "c2lnbmF0dXJl", &signed, "token="] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

#[test]
fn metrics_count_requests_batches_and_connections_but_no_organization() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[]);
    let (path, headers, body) = &service.curl_lines()[1];
    assert_eq!(service.ask("POST", path, headers, body).0, 201);
    let (status, metrics) = service.ask("GET", "/metrics", &[], "");
    assert_eq!(status, 200);
    for wanted in [
        r#"sessionary_http_requests_total{dialect="agntix",route="/v1/chat/chat/sessions",method="POST",status="201"} 1"#,
        "sessionary_http_seconds_bucket",
        r#"sessionary_batch_size_count{queue="create_session"} 1"#,
        r#"sessionary_queue_depth{queue="create_session"}"#,
        r#"sessionary_pool_connections{state="idle"}"#,
    ] {
        assert!(metrics.contains(wanted), "{wanted} is not in {metrics}");
    }
    let demo: Value =
        serde_json::from_slice(&std::fs::read(data_dir.join("demo.json")).expect("demo.json")).expect("JSON");
    assert!(!metrics.contains(demo["org_id"].as_str().expect("an organization")));
}

#[test]
fn a_start_prints_a_link_that_opens_the_console_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let once = |service: &Service| {
        let link = service.printed.lines().find(|line| line.contains("/console/#once=")).expect("a link").trim();
        assert!(link.starts_with(&service.base_url), "{link}");
        link.split_once("#once=").expect("a secret").1.to_owned()
    };
    let log_in = |service: &Service, secret: &str| {
        let headers = ["Content-Type: application/json".to_owned(), "Sec-Fetch-Site: same-origin".to_owned()];
        let body = format!(r#"{{"once":"{secret}"}}"#);
        service.ask("POST", "/sessionary/v1/console/login", &headers, &body).0
    };
    let mut service = Service::start(&data_dir, &[]);
    let first = once(&service);
    assert_eq!(log_in(&service, &first), 204);
    assert_eq!(log_in(&service, &first), 401);
    let log = service.log();
    assert!(!log.contains(&first), "{log}");
    service.signal("TERM");
    service.wait();

    let service = Service::start(&data_dir, &[]);
    let second = once(&service);
    assert_ne!(first, second);
    assert_eq!(log_in(&service, &second), 204);
}
