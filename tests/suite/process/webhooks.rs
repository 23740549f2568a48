//! Webhooks, from the command line to the endpoint and back.

use serde_json::{Value, json};
use sessionary::domain::KeyId;

use crate::support::fake_responder::{FakeResponder, Received, answer};
use crate::support::process::{Service, complaint, json_of, sessionary, until};
use crate::support::webhooks::{taken, verify};
use crate::support::{AGENT_ID, run};

/// Waits for the next request.
#[track_caller]
fn next(endpoint: &FakeResponder) -> Received {
    until("the endpoint is told", || endpoint.received().pop())
}

#[test]
fn an_endpoint_is_registered_told_told_again_and_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[("SESSIONARY_RESPONDERS_PRIVATE", "127.0.0.0/8")]);
    let demo = std::fs::read_to_string(data_dir.join("demo.json")).expect("demo.json");
    let demo: Value = serde_json::from_str(&demo).expect("JSON");
    let (org, key) = (demo["org_id"].as_str().expect("an id"), demo["api_key"].as_str().expect("a key"));
    let endpoint = run(FakeResponder::start([taken(), answer(500, "text/plain", "no"), taken()]));
    let command = |arguments: &[&str]| json_of(sessionary(&data_dir).arg("webhook").args(arguments));

    let url = format!("{}/hook?a=1", endpoint.url);
    let made = command(&["create", "--org", org, "--url", &url]);
    let members: Vec<&str> = made.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(members, ["webhook_id", "org_id", "url", "events", "dialects", "secret"]);
    assert_eq!((&made["org_id"], &made["url"]), (&json!(org), &json!(url)));
    assert_eq!(made["events"], json!(["session.created", "session.ended"]));
    assert_eq!(made["dialects"].as_array().map(Vec::len), Some(5));
    let secret = made["secret"].as_str().expect("a secret").into();
    let webhook = made["webhook_id"].as_str().expect("an id");

    let headers = [format!("x-api-key: {key}"), "content-type: application/json".to_owned()];
    let body = json!({"agentId": AGENT_ID}).to_string();
    let (status, created) = service.ask("POST", "/v1/chat/chat/sessions", &headers, &body);
    assert_eq!(status, 201, "{created}");
    let session: Value = serde_json::from_str(&created).expect("JSON");
    let told = next(&endpoint);
    verify(&told, &secret);
    assert_eq!((&told.json()["id"], &told.json()["eventType"]), (&session["id"], &json!("session.created")));
    assert!(told.head.starts_with("POST /hook?a=1 HTTP/1.1"), "{}", told.head);

    let path = format!("/v1/chat/chat/sessions/{}/close", session["id"].as_str().expect("an id"));
    assert_eq!(service.ask("PATCH", &path, &headers, "{}").0, 200);
    let (refused, again) = (next(&endpoint), next(&endpoint));
    assert_eq!(refused.header("svix-id"), again.header("svix-id"));
    assert_eq!(again.json()["eventType"], "session.ended");
    let deliveries = until("the outcome is written down", || {
        let listed = command(&["deliveries", "--org", org])["deliveries"].take();
        (listed[0]["state"] == "delivered").then_some(listed)
    });
    assert_eq!(deliveries.as_array().map(Vec::len), Some(2));
    let newest = &deliveries[0];
    assert_eq!(newest["delivery_id"], again.header("svix-id").expect("an id"));
    assert_eq!((&newest["attempts"], &newest["last_status"]), (&json!(2), &json!(204)));
    assert_eq!((&newest["session_id"], &newest["event"]), (&session["id"], &json!("session.ended")));
    assert_eq!(command(&["deliveries", "--org", org, "--failed"]), json!({"deliveries": []}));
    assert_eq!(command(&["deliveries", "--org", org, "--limit", "1"])["deliveries"].as_array().map(Vec::len), Some(1));

    let first = told.header("svix-id").expect("an id");
    let again = command(&["resend", first]);
    assert_eq!((&again["delivery_id"], &again["state"]), (&json!(first), &json!("waiting")));
    let resent = next(&endpoint);
    assert_eq!((resent.header("svix-id"), &resent.body), (Some(first), &told.body));

    let listed = command(&["list", "--org", org]);
    assert_eq!((&listed["webhooks"][0]["webhook_id"], &listed["webhooks"][0]["url"]), (&json!(webhook), &json!(url)));
    let shown = sessionary(&data_dir).args(["webhook", "list", "--org", org]).output().expect("the program runs");
    for listed in [listed.to_string(), String::from_utf8_lossy(&shown.stdout).into_owned(), service.log()] {
        assert!(!listed.contains("whsec_"), "{listed}");
    }
    assert_eq!(command(&["delete", webhook]), json!({"webhook_id": webhook, "deleted": true}));
    assert_eq!(command(&["list", "--org", org]), json!({"webhooks": []}));

    let nobody = webhook.parse::<KeyId>().expect("a UUID").to_string();
    for (arguments, said) in [
        (&["delete", nobody.as_str()][..], "no such webhook"),
        (&["resend", first], "no such delivery"),
        (&["resend", "msg_1"], "msg_ and 26 characters"),
        (&["list", "--org", "nobody"], "no such organization"),
        (&["create", "--org", org, "--url", "ftp://a.example"], "starts with http"),
        (&["create", "--org", org, "--url", "https://user@a.example"], "user name"),
        (&["create", "--org", org, "--url", "https://a.example", "--events", "session.closed"], "no such event"),
        (&["create", "--org", org, "--url", "https://a.example", "--dialects", "other"], "no such dialect"),
    ] {
        let output = sessionary(&data_dir).arg("webhook").args(arguments).output().expect("the program runs");
        assert!(!output.status.success() && complaint(&output).contains(said), "{arguments:?}: {}", complaint(&output));
    }
}
