//! `SESSIONARY_SEALING_KEYS`, `secrets status` and `secrets rotate`, beside a running service.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::dump::tables_with;
use crate::support::fake_responder::FakeResponder;
use crate::support::process::{Service, complaint, json_of, sessionary, until};
use crate::support::webhooks::{taken, verify};
use crate::support::{AGENT_ID, database_url, make_database, run};

const SETTING: &str = "SESSIONARY_SEALING_KEYS";

/// A deployment on a database of its own, with one webhook.
struct Deployment {
    folder: tempfile::TempDir,
    url: String,
}

impl Deployment {
    fn new(name: &'static str) -> Self {
        run(make_database(name));
        Self { folder: tempfile::tempdir().expect("a folder"), url: run(database_url(name)) }
    }

    fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the service with these sealing keys.
    fn start(&self, keys: Option<&str>) -> Service {
        let settings = [Some(("SESSIONARY_RESPONDERS_PRIVATE", "127.0.0.0/8")), keys.map(|keys| (SETTING, keys))];
        let settings: Vec<(&str, &str)> = settings.into_iter().flatten().collect();
        Service::start_on(&self.data_dir(), &self.url, &settings)
    }

    /// Runs a command with these keys. Returns its JSON.
    fn command(&self, keys: Option<&str>, arguments: &[&str]) -> Value {
        let mut command = sessionary(&self.data_dir());
        command.args(arguments).env("DATABASE_URL", &self.url).envs(keys.map(|keys| (SETTING, keys)));
        json_of(&mut command)
    }

    /// Returns the status and the detail of the doctor's check of secrets, which shows no key.
    fn doctor(&self, keys: Option<&str>) -> (String, String) {
        let mut command = sessionary(&self.data_dir());
        command.args(["doctor", "--json"]).env("DATABASE_URL", &self.url).envs(keys.map(|keys| (SETTING, keys)));
        let output = command.output().expect("the program runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let check = report["checks"].as_array().expect("checks").iter().find(|check| check["name"] == "secrets");
        let check = check.unwrap_or_else(|| panic!("{report}"));
        let text = |member: &str| check[member].as_str().expect("a text").to_owned();
        if let Some((_, key)) = keys.and_then(|keys| keys.split_once(':')) {
            assert!(!report.to_string().contains(key) && !complaint(&output).contains(key), "{report}");
        }
        (text("status"), text("detail"))
    }

    /// Returns the tables with one of these texts in a dump.
    fn dumped(&self, texts: &[&str]) -> BTreeSet<String> {
        run(tables_with(&self.url, texts))
    }

    /// Returns what a start with these keys fails with, which shows no key.
    fn fails_with(&self, keys: Option<&str>) -> String {
        let settings: Vec<(&str, &str)> = [Some(("DATABASE_URL", self.url.as_str())), keys.map(|keys| (SETTING, keys))]
            .into_iter()
            .flatten()
            .collect();
        let text = Service::fails_to_start(&self.data_dir(), &settings);
        if let Some((_, key)) = keys.and_then(|keys| keys.split_once(':')) {
            assert!(!text.contains(key), "{text}");
        }
        text
    }

    fn demo(&self) -> Value {
        let demo = std::fs::read_to_string(self.data_dir().join("demo.json")).expect("demo.json");
        serde_json::from_str(&demo).expect("JSON")
    }
}

/// Returns a key of the setting with this id and bytes.
fn key(id: &str, byte: u8) -> String {
    format!("{id}:{}", STANDARD.encode([byte; 32]))
}

fn stop(mut service: Service) {
    service.signal("TERM");
    assert_eq!(service.wait(), Some(0), "{}", service.log());
}

#[test]
fn secrets_are_sealed_at_a_start_and_move_to_a_new_key_while_deliveries_are_signed() {
    let deployment = Deployment::new("sealed_secrets");
    let (a, b) = (key("a", 1), key("b", 2));
    let endpoint = run(FakeResponder::start([taken()]));

    // Without the setting, the secret is in clear, and the doctor and the status say so.
    let service = deployment.start(None);
    let demo = deployment.demo();
    let org = demo["org_id"].as_str().expect("an id");
    let url = format!("{}/hook", endpoint.url);
    let made = deployment.command(None, &["webhook", "create", "--org", org, "--url", &url]);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let bare = secret.trim_start_matches("whsec_").trim_end_matches('=').to_owned();
    assert_eq!(deployment.dumped(&[&bare]), BTreeSet::from(["webhooks".to_owned()]));
    let in_clear = json!({"current": null, "data_keys": [], "sealed_secrets": 0, "clear_secrets": 1});
    assert_eq!(deployment.command(None, &["secrets", "status"]), in_clear);
    let (status, detail) = deployment.doctor(None);
    assert!(status == "warn" && detail.contains("in clear") && detail.contains(SETTING), "{status}: {detail}");
    let mut rotate = sessionary(&deployment.data_dir());
    let output = rotate.args(["secrets", "rotate"]).env("DATABASE_URL", &deployment.url).output().expect("a run");
    assert!(!output.status.success() && complaint(&output).contains(SETTING), "{}", complaint(&output));
    let (status, _) = deployment.doctor(Some(&a));
    assert_eq!(status, "warn", "a key that nothing is sealed under yet");
    stop(service);

    // The next start seals it.
    let service = deployment.start(Some(&a));
    until("the log says so", || service.log().contains("secrets.sealed").then_some(()));
    let key_itself = a.trim_start_matches("a:");
    assert_eq!(deployment.dumped(&[&bare, key_itself]), BTreeSet::new());
    assert!(deployment.dumped(&["sealed:1:"]).contains("webhooks"));
    let status = |keys: &str| deployment.command(Some(keys), &["secrets", "status"]);
    let under = |key: &str, is_set: bool| json!([{"key": key, "organizations": 1, "is_set": is_set}]);
    let sealed = json!({"current": "a", "data_keys": under("a", true), "sealed_secrets": 1, "clear_secrets": 0});
    assert_eq!(status(&a), sealed);
    assert_eq!(deployment.doctor(Some(&a)), ("ok".to_owned(), "1 secrets are sealed under the key a".to_owned()));
    stop(service);

    // With both keys: deliveries before, during and after the rotation are signed with the secret.
    let both = format!("{b},{a}");
    let service = deployment.start(Some(&both));
    assert_eq!(deployment.doctor(Some(&both)).0, "warn");
    let headers = [
        format!("x-api-key: {}", demo["api_key"].as_str().expect("a key")),
        "content-type: application/json".to_owned(),
    ];
    let body = json!({"agentId": AGENT_ID}).to_string();
    let create = |service: &Service| {
        let (status, created) = service.ask("POST", "/v1/chat/chat/sessions", &headers, &body);
        assert_eq!(status, 201, "{created}");
    };
    let (done, mut created) = (AtomicBool::new(false), 0);
    let rotated = std::thread::scope(|scope| {
        create(&service);
        let rotation = scope.spawn(|| {
            let rotated = deployment.command(Some(&both), &["secrets", "rotate"]);
            done.store(true, Ordering::SeqCst);
            rotated
        });
        created += 1;
        while !done.load(Ordering::SeqCst) {
            create(&service);
            created += 1;
        }
        create(&service);
        created += 1;
        rotation.join().expect("a rotation")
    });
    assert_eq!(rotated, json!({"current": "b", "data_keys": 1, "secrets": 0}));
    let secret_of_endpoint: SecretString = secret.into();
    let mut received = Vec::new();
    until("every delivery arrives", || {
        received.extend(endpoint.received());
        (received.len() >= created).then_some(())
    });
    for delivery in &received {
        verify(delivery, &secret_of_endpoint);
    }
    let moved = json!({"current": "b", "data_keys": under("b", true), "sealed_secrets": 1, "clear_secrets": 0});
    assert_eq!(status(&both), moved);
    assert_eq!(status(&a)["data_keys"], under("b", false));
    let again = deployment.command(Some(&both), &["secrets", "rotate"]);
    assert_eq!(again, json!({"current": "b", "data_keys": 0, "secrets": 0}));
    stop(service);

    // The old key is not needed any more.
    let service = deployment.start(Some(&b));
    create(&service);
    verify(&until("a delivery", || endpoint.received().pop()), &secret_of_endpoint);
    assert_eq!(deployment.doctor(Some(&b)).0, "ok");
    assert_eq!(deployment.dumped(&[&bare, b.trim_start_matches("b:")]), BTreeSet::new());
}

#[test]
fn a_start_without_the_right_key_fails_and_says_why() {
    let deployment = Deployment::new("missing_sealing_keys");
    let right = key("2026-04", 1);
    let service = deployment.start(Some(&right));
    let org = deployment.demo()["org_id"].as_str().expect("an id").to_owned();
    let create = ["webhook", "create", "--org", &org, "--url", "https://example.com/hook"];
    deployment.command(Some(&right), &create);
    stop(service);
    let (other, changed) = (key("other", 1), key("2026-04", 2));
    for (keys, problem) in [
        (None, "SESSIONARY_SEALING_KEYS is not set, and a secret is sealed"),
        (Some(other.as_str()), "SESSIONARY_SEALING_KEYS has no key with the id 2026-04"),
        (Some(changed.as_str()), "is not the one that this database was sealed with"),
    ] {
        let text = deployment.fails_with(keys);
        assert!(text.contains(problem), "{text}");
        let (status, detail) = deployment.doctor(keys);
        assert!(status == "fail" && detail.contains(problem), "{status}: {detail}");
    }
    let malformed = "2026-04:c2hvcnQ=";
    let text = deployment.fails_with(Some(malformed));
    assert!(text.contains(&format!("example: {SETTING}=")), "{text}");
    // Nothing was changed.
    let _ = deployment.start(Some(&right));
    assert_eq!(deployment.doctor(Some(&right)).0, "ok");
}
