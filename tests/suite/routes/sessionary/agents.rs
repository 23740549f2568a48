use http::Method;
use serde_json::{Value, json};

use super::{code, pointers, walk};
use crate::support::fake_responder::{FakeResponder, answer};
use crate::support::{AGENT_ID, TestApp, run};

const AGENTS: &str = "/sessionary/v1/agents";

async fn make(app: &TestApp, body: Value) -> Value {
    app.post(AGENTS, body.to_string()).send().await.expect(201).json()
}

fn path(agent: &Value) -> String {
    format!("{AGENTS}/{}", agent["id"].as_str().expect("an id"))
}

#[test]
fn an_agent_is_created_changed_and_deleted() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({"name": "Support", "key": "support", "description": "d"})).await;
        assert_eq!((&made["key"], &made["enabled"]), (&json!("support"), &json!(true)));
        assert_eq!(made["responder"], json!({"kind": "echo", "is_default": true}));
        let taken = app.post(AGENTS, r#"{"name":"n","key":"support"}"#).send().await;
        assert_eq!(code(taken, 409), "key_taken");

        let got = app.get(&path(&made)).send().await.expect(200);
        let tag = got.header("etag").expect("a tag").to_owned();
        assert_eq!(got.json(), made);
        let patch = |body: &str| app.ask(Method::PATCH, &path(&made)).json(body);
        let changed = patch(r#"{"name":"Sales","description":null,"enabled":false}"#).header("if-match", &tag).send();
        let changed = changed.await.expect(200).json();
        assert_eq!((&changed["name"], &changed["description"]), (&json!("Sales"), &Value::Null));
        assert_eq!(changed["enabled"], false);
        // The version is another one now.
        assert_eq!(code(patch(r#"{"name":"x"}"#).header("if-match", &tag).send().await, 412), "precondition_failed");
        let delete = || app.ask(Method::DELETE, &path(&made));
        assert_eq!(code(delete().header("if-match", &tag).send().await, 412), "precondition_failed");
        delete().header("if-match", "*").send().await.expect(204);
        assert_eq!(code(delete().send().await, 404), "not_found");
        assert_eq!(code(app.get(&path(&made)).send().await, 404), "not_found");
        make(&app, json!({"name": "Again", "key": "support"})).await;
    });
}

#[test]
fn a_repeated_create_makes_one_agent() {
    run(async {
        let app = TestApp::new().await;
        let create = || app.post(AGENTS, r#"{"name":"Once"}"#).header("idempotency-key", "k");
        let (first, again) = (create().send().await.expect(201), create().send().await.expect(201));
        assert_eq!(first.bytes, again.bytes);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(walk(&app, AGENTS, 2).await.len(), 3);
    });
}

#[test]
fn every_fault_of_a_body_is_named() {
    run(async {
        let app = TestApp::new().await;
        let wrong = r#"{"name":"","key":"a b","enabled":1,"nickname":"x","responder":{"kind":"openai","key_env":"K"}}"#;
        let mut found = pointers(app.post(AGENTS, wrong).send().await);
        found.sort_unstable();
        assert_eq!(found, ["/enabled", "/key", "/name", "/nickname", "/responder/key_env"]);
        assert_eq!(pointers(app.post(AGENTS, "{}").send().await), ["/name"]);
        app.get(&format!("{AGENTS}?color=red")).send().await.expect(400);
        app.get(&format!("{AGENTS}?limit=0")).send().await.expect(400);
        assert_eq!(code(app.get(&format!("{AGENTS}?cursor=x")).send().await, 400), "invalid_cursor");
    });
}

#[test]
fn secrets_of_a_responder_are_neither_shown_nor_sent_elsewhere() {
    run(async {
        let app = TestApp::new().await;
        let responder = r#"{"kind":"openai","base_url":"https://api.example.com/v1?token=hidden","model":"m","key_env":"K","system_prompt":"Be kind."}"#;
        let agent = sessionary::domain::AgentRef::Id(AGENT_ID.parse().expect("a UUID"));
        let set = |agent: &mut sessionary::domain::Agent| {
            agent.responder = Some(responder.parse().expect("a responder"));
            Ok::<(), std::convert::Infallible>(())
        };
        let _ = app.tenant().await.agents().update(&agent, set).await.expect("an agent");
        let path = format!("{AGENTS}/{AGENT_ID}");
        let shown = app.get(&path).send().await.expect(200);
        assert!(!shown.text().contains("hidden") && !shown.text().contains("key_env"), "{}", shown.text());
        assert_eq!(shown.json()["responder"]["has_secret"], true);
        assert_eq!(shown.json()["responder"]["system_prompt"], "Be kind.");
        // A reader of agents does not read what only writers need.
        let reader = app.key_with("agents:read").await;
        let shown = app.get(&path).anonymous().header("x-api-key", reader).send().await.expect(200);
        assert!(!shown.text().contains("Be kind."), "{}", shown.text());

        let put = async |url: &str| {
            let body = json!({"responder": {"kind": "openai", "base_url": url, "model": "n"}}).to_string();
            app.ask(Method::PATCH, &path).json(body).send().await.expect(200).json()["responder"]["has_secret"].clone()
        };
        assert_eq!(put("https://api.example.com/v1?token=hidden").await, true);
        assert_eq!(put("https://elsewhere.example.com/v1").await, false);
        assert_eq!(put("https://api.example.com/v1?token=hidden").await, false);
    });
}

#[test]
fn a_reply_is_returned_and_nothing_is_stored() {
    run(async {
        let app = TestApp::new().await;
        let path = format!("{AGENTS}/{AGENT_ID}/replies");
        let ask = async |body: &str| app.post(&path, body).send().await;
        let body = r#"{"messages":[{"role":"user","text":"hi"},{"role":"assistant","text":"hello"},{"role":"user","text":"bye"}]}"#;
        assert_eq!(ask(body).await.expect(200).json(), json!({"text": "You said: bye"}));
        assert_eq!(app.sessions().await, 0);

        for (wrong, pointer) in [
            (r#"{}"#, "/messages"),
            (r#"{"messages":[]}"#, "/messages"),
            (r#"{"messages":[{"role":"system","text":"x"}]}"#, "/messages/0/role"),
            (r#"{"messages":[{"role":"user","text":" "}]}"#, "/messages/0/text"),
            (r#"{"messages":[{"role":"user","text":"x","name":"y"}]}"#, "/messages/0/name"),
            (r#"{"messages":[{"role":"user","text":"x"},{"role":"assistant","text":"y"}]}"#, "/messages"),
            (r#"{"messages":[7]}"#, "/messages/0"),
        ] {
            assert!(pointers(ask(wrong).await).contains(&pointer.to_owned()), "{wrong}");
        }
        let long = json!({"messages": [{"role": "user", "text": "x".repeat(256 * 1024 + 1)}]}).to_string();
        assert_eq!(pointers(ask(&long).await), ["/messages"]);

        // What its responder does not say is 502, and an agent without one has nothing to say.
        let fake = FakeResponder::start([answer(500, "text/plain", "")]).await;
        let responder = json!({"responder": {"kind": "openai", "base_url": format!("{}/v1", fake.url), "model": "m"}});
        let agent = format!("{AGENTS}/{AGENT_ID}");
        app.ask(Method::PATCH, &agent).json(responder.to_string()).send().await.expect(200);
        let failed = ask(body).await;
        assert_eq!(code(failed, 502), "no_reply");
        app.ask(Method::PATCH, &agent).json(r#"{"responder":{"kind":"none"}}"#).send().await.expect(200);
        assert_eq!(code(ask(body).await, 422), "no_responder");
        app.ask(Method::PATCH, &agent).json(r#"{"enabled":false}"#).send().await.expect(200);
        assert_eq!(code(ask(body).await, 409), "agent_disabled");
    });
}
