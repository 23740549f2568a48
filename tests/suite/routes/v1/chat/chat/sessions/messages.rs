//! `POST` with `stream: false`, and `GET /v1/chat/chat/sessions/{sessionId}/messages`.

use chrono::TimeDelta;
use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use sessionary::dialects::agntix::{Model, Settings};

use crate::support::agntix::{SESSIONS, close, code, create, path_of, say};
use crate::support::fake_responder::{self, FakeResponder};
use crate::support::{AGENT_ID, Setup, TestApp, run};

async fn listed(app: &TestApp, id: &str, query: &str) -> Value {
    app.get(&path_of(id, &format!("/messages{query}"))).send().await.expect(200).json()
}

async fn contents(app: &TestApp, id: &str, query: &str) -> Vec<String> {
    let page = listed(app, id, query).await;
    let data = page["data"].as_array().expect("an array");
    data.iter().map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_reply_is_a_flat_message_with_200() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let reply = say(&app, &id, "What is my plan?").await.expect(200).json();
        assert!(reply["id"].as_str().is_some_and(|id| id.starts_with("msg_") && id.len() == 30), "{reply}");
        assert_json_snapshot!(reply, { ".id" => "[id]" }, @r#"
        {
          "id": "[id]",
          "content": "You said: What is my plan?",
          "role": "ASSISTANT",
          "createdAt": "2026-04-29T09:00:00Z"
        }
        "#);
        let page = listed(&app, &id, "").await;
        assert_eq!(
            (&page["data"][0]["role"], &page["data"][0]["content"]),
            (&json!("USER"), &json!("What is my plan?"))
        );
        assert_eq!(page["data"][1], reply);
        assert_eq!(page["pagination"], json!({"page": 1, "limit": 50, "total": 2, "totalPages": 1}));
    });
}

#[test]
fn messages_are_listed_oldest_first_by_pages() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for n in 1..=3 {
            say(&app, &id, &n.to_string()).await.expect(200);
        }
        let all = ["1", "You said: 1", "2", "You said: 2", "3", "You said: 3"];
        assert_eq!(contents(&app, &id, "").await, all);
        assert_eq!(contents(&app, &id, "?limit=4&page=2").await, all[4..]);
        assert_eq!(contents(&app, &id, "?pageSize=2&page=2").await, all[2..4]);
        assert!(contents(&app, &id, "?page=9007199254740993").await.is_empty());
        for query in ["?page=0&limit=-1", "?page=x&limit=0", "?limit=0"] {
            assert_eq!(contents(&app, &id, query).await, all[..1], "{query}");
        }
        for query in ["?limit=1e3", "?limit=101&page=1.5", "?limit=99999999999999999999"] {
            assert_eq!(contents(&app, &id, query).await, all, "{query}");
        }
        assert_eq!(listed(&app, &id, "?limit=4").await["pagination"]["totalPages"], 2);
        let older = app.get(&format!("/api/v1/chat/sessions/{id}/messages")).send().await.expect(200);
        assert_eq!(older.json(), listed(&app, &id, "").await);
    });
}

#[test]
fn a_closed_session_refuses_messages_and_shows_those_it_has() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        say(&app, &id, "one").await.expect(200);
        close(&app, &id).await.expect(200);
        for body in [r#"{"content":"two","stream":false}"#, r#"{"content":"two"}"#] {
            let refused = app.post(&path_of(&id, "/messages"), body).send().await.expect(400);
            assert_eq!(code(&refused), "INVALID_SESSION");
        }
        assert_eq!(contents(&app, &id, "").await, ["one", "You said: one"]);
    });
}

#[test]
fn a_session_that_is_idle_for_too_long_expires_and_a_message_puts_that_off() {
    run(async {
        let agntix = Settings { idle_timeout: Some(TimeDelta::minutes(30)), ..Settings::default() };
        let app = TestApp::with(Setup { agntix, ..Setup::default() }).await;
        let id = create(&app, "").await;
        app.clock.advance(TimeDelta::minutes(29));
        say(&app, &id, "still here").await.expect(200);
        app.clock.advance(TimeDelta::minutes(29));
        let state = async || app.get(&path_of(&id, "")).send().await.expect(200).json()["state"].clone();
        assert_eq!(state().await, "OPEN");
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(state().await, "EXPIRED");
        for body in [r#"{"content":"late","stream":false}"#, r#"{"content":"late"}"#] {
            let refused = app.post(&path_of(&id, "/messages"), body).send().await.expect(400);
            assert_eq!(code(&refused), "SESSION_EXPIRED");
        }
        assert_eq!(contents(&app, &id, "").await.len(), 2);
        assert_eq!(close(&app, &id).await.expect(200).json()["state"], "EXPIRED");
        let expired = app.get(&format!("{SESSIONS}?state=EXPIRED")).send().await.expect(200).json();
        assert_eq!(expired["pagination"]["total"], 1);
    });
}

#[test]
fn what_is_no_message_is_refused_and_not_kept() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for (body, said) in [
            ("{}", "content should not be empty"),
            (r#"{"content":null}"#, "content should not be empty"),
            (r#"{"content":""}"#, "content should not be empty"),
            (r#"{"content":5}"#, "content must be a string"),
            (r#"{"content":["x"]}"#, "content must be a string"),
            (r#"{"content":"x","stream":"false"}"#, "stream must be a boolean value"),
            (r#"{"content":"x","stream":0}"#, "stream must be a boolean value"),
        ] {
            let refused = app.post(&path_of(&id, "/messages"), body).send().await.expect(400);
            assert_eq!(code(&refused), "VALIDATION_ERROR", "{body}");
            assert_eq!(refused.json()["error"]["message"], said, "{body}");
        }
        for body in ["", "[]", "{", r#"{"content":"\u0000"}"#] {
            app.post(&path_of(&id, "/messages"), body).send().await.expect(400);
        }
        assert!(contents(&app, &id, "").await.is_empty());
    });
}

#[test]
fn where_nothing_answers_a_message_is_refused_and_not_kept() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        app.nobody_answers().await;
        assert_eq!(code(&say(&app, &id, "anybody?").await.expect(422)), "CONFIG_NOT_FOUND");
        app.answered_by("echo").await;
        let agent = AGENT_ID.parse().expect("a UUID");
        app.disable_agent(agent).await;
        assert_eq!(code(&say(&app, &id, "anybody?").await.expect(422)), "CONFIG_NOT_FOUND");
        app.delete_agent(agent).await;
        assert_eq!(code(&say(&app, &id, "anybody?").await.expect(404)), "NOT_FOUND");
        assert!(contents(&app, &id, "").await.is_empty());
    });
}

#[test]
fn a_model_that_fails_is_502_and_the_message_is_kept() {
    run(async {
        let model = FakeResponder::start([fake_responder::json("{}")]).await;
        let app = TestApp::new().await;
        app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
        let id = create(&app, "").await;
        assert_eq!(code(&say(&app, &id, "hello").await.expect(502)), "GENERIC_ERROR");
        assert_eq!(contents(&app, &id, "").await, ["hello"]);
    });
}

#[test]
fn an_agent_tells_the_organizations_model_its_own_prompt_and_model() {
    run(async {
        let answer = r#"{"choices":[{"message":{"role":"assistant","content":"Pro."}}]}"#;
        let model = FakeResponder::start([fake_responder::json(answer)]).await;
        let gpt = Model {
            id: "gpt-4o-mini".to_owned(),
            name: "GPT-4o mini".to_owned(),
            provider: "openai".to_owned(),
            context_window: 128_000,
            is_active: true,
        };
        let agntix = Settings { models: [gpt].into(), ..Settings::default() };
        let app = TestApp::with(Setup { agntix, ..Setup::default() }).await;
        app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
        let agent = r#"{"name":"Support","modelId":"gpt-4o-mini","systemPrompt":"You are terse."}"#;
        let agent = app.post("/v1/chat/agents", agent).send().await.expect(201).member("id");
        let session = app.post(SESSIONS, json!({"agentId": agent}).to_string()).send().await.expect(201).member("id");
        assert_eq!(say(&app, &session, "What is my plan?").await.expect(200).json()["content"], "Pro.");
        let asked = model.received().remove(0).json();
        assert_eq!(asked["model"], "gpt-4o-mini");
        assert_eq!(asked["messages"][0], json!({"role": "system", "content": "You are terse."}));
    });
}

#[test]
fn a_message_that_is_sent_again_under_its_key_is_one() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for body in [r#"{"content":"once","stream":false}"#, r#"{"content":"streamed once"}"#] {
            let send = || app.post(&path_of(&id, "/messages"), body).header("idempotency-key", body).send();
            let first = send().await.expect(200);
            let again = send().await.expect(200);
            assert_eq!(again.text(), first.text());
            assert_eq!(again.header("content-type"), first.header("content-type"));
        }
        assert_eq!(contents(&app, &id, "").await.len(), 4);
    });
}

#[test]
fn messages_at_once_are_each_kept_once_and_answered() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let says = (0..12).map(|n| {
            let (app, id) = (&app, &id);
            async move { say(app, id, &format!("<{n}>")).await.expect(200).json()["content"].clone() }
        });
        let answers = futures::future::join_all(says).await;
        let mut kept = contents(&app, &id, "").await;
        assert_eq!(kept.len(), 24);
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(*answer, format!("You said: <{n}>"));
        }
        kept.sort_unstable();
        kept.dedup();
        assert_eq!(kept.len(), 24);
    });
}

#[test]
fn messages_need_their_scopes() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/messages");
        let (reads, writes) = (app.key_with("chat:read").await, app.key_with("chat:write").await);
        app.post(&path, r#"{"content":"x"}"#).anonymous().header("x-api-key", &reads).send().await.expect(403);
        app.get(&path).anonymous().header("x-api-key", &writes).send().await.expect(403);
        app.get(&path).anonymous().send().await.expect(401);
        app.ask(Method::DELETE, &path).send().await.expect(405);
    });
}
