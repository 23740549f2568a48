//! What an agent is told to be, and what it is then.

use sessionary::domain::{AgentId, AgentRef, JsonText, NewAgent, Responder};

use crate::support::{TestApp, admin, run, start, store};

const MODEL: &str = r#"{"kind":"openai","base_url":"https://api.example.com/v1","model":"m","key_env":"MODEL_KEY","context_tokens":500}"#;

#[test]
fn an_agents_responder_and_settings_come_back_as_they_were_given() {
    run(async {
        let app = TestApp::new().await;
        let settings = r#"{"messaging":{"SESSION_TIMEOUT_MINUTES":"20"}}"#;
        for (responder, settings) in [(None, "{}"), (Some(Responder::Echo), "{}"), (MODEL.parse().ok(), settings)] {
            let id = AgentId(app.mint.uuid());
            let new = NewAgent {
                id,
                key: id.to_string().parse().expect("a key"),
                number: None,
                name: "One more".to_owned(),
                avatar_number: None,
                responder: responder.clone(),
                settings: JsonText::stored(settings.to_owned()).expect("JSON"),
                created_at: start(),
            };
            admin().await.create_agent(app.org, &new).await.expect("an agent");
            let agent = app.tenant().await.agents().find(&AgentRef::Id(id)).await.expect("a look").expect("an agent");
            assert_eq!((&agent.responder, agent.settings.as_str()), (&responder, settings));
        }
    });
}

#[test]
fn an_organizations_responder_can_be_changed() {
    run(async {
        let app = TestApp::new().await;
        for responder in [Responder::None, MODEL.parse().expect("a responder"), Responder::Echo] {
            admin().await.set_responder(app.org, &responder).await.expect("a change");
            let org = store().await.directory().organization(app.org).await.expect("a look").expect("an organization");
            assert_eq!(org.responder, responder);
        }
    });
}
