//! `GET /v1/chat/models`.

use serde_json::json;
use sessionary::dialects::agntix::{Model, Settings};

use crate::support::agntix::{AGENTS, code};
use crate::support::{Setup, TestApp, run};

fn model(id: &str) -> Model {
    Model {
        id: id.to_owned(),
        name: "GPT-4o mini".to_owned(),
        provider: "openai".to_owned(),
        context_window: 128_000,
        is_active: true,
    }
}

#[test]
fn the_deployments_models_are_listed_and_others_cannot_be_named() {
    run(async {
        let agntix = Settings { models: [model("gpt-4o-mini")].into(), ..Settings::default() };
        let app = TestApp::with(Setup { agntix, ..Setup::default() }).await;
        let listed = app.get("/v1/chat/models").send().await.expect(200).json();
        let gpt = json!({
            "id": "gpt-4o-mini", "name": "GPT-4o mini", "provider": "openai", "contextWindow": 128_000, "isActive": true,
        });
        assert_eq!(listed, json!({ "data": [gpt] }));
        let refused = app.post(AGENTS, r#"{"name":"x","modelId":"gpt-9"}"#).send().await.expect(422);
        assert_eq!(code(&refused), "MODELS_NOT_FOUND");
        let made = app.post(AGENTS, r#"{"name":"x","modelId":"gpt-4o-mini"}"#).send().await.expect(201).json();
        assert_eq!(made["model"], json!({"id": "gpt-4o-mini", "name": "GPT-4o mini", "provider": "openai"}));
    });
}

#[test]
fn without_any_the_organizations_own_model_is_listed() {
    run(async {
        let app = TestApp::new().await;
        assert_eq!(app.get("/v1/chat/models").send().await.expect(200).json(), json!({"data": []}));
        app.answered_by(r#"{"kind":"openai","base_url":"https://api.example.com/v1","model":"m"}"#).await;
        let listed = app.get("/v1/chat/models").send().await.expect(200).json();
        assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["contextWindow"]), (&json!("m"), &json!(8_000)));
        app.get("/v1/chat/models").anonymous().send().await.expect(401);
    });
}
