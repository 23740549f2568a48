//! Agents in the store: creating, changing and deleting them.

use std::sync::Arc;
use std::time::Duration;

use sessionary::domain::{Agent, AgentId, AgentRef, JsonText, NewAgent, Responder};
use sessionary::store::{AgentCreated, AgentFilter, AgentName, AgentUpdate, PageLimit, Store, StoreSettings};

use crate::support::{TestApp, admin, database, run, start, store};

const MODEL: &str = r#"{"kind":"openai","base_url":"https://api.example.com/v1","model":"m","key_env":"MODEL_KEY","context_tokens":500}"#;

#[test]
fn an_agents_responder_and_settings_come_back_as_they_were_given() {
    run(async {
        let app = TestApp::new().await;
        let settings = r#"{"messaging":{"SESSION_TIMEOUT_MINUTES":"20"}}"#;
        for (responder, settings) in [(None, "{}"), (Some(Responder::Echo), "{}"), (MODEL.parse().ok(), settings)] {
            let id = AgentId(app.mint.uuid());
            let new = NewAgent {
                responder: responder.clone(),
                settings: JsonText::stored(settings.to_owned()).expect("JSON"),
                ..NewAgent::named(id, id.to_string().parse().expect("a key"), "One more".to_owned(), start())
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

fn named(app: &TestApp, key: &str) -> NewAgent {
    NewAgent::named(AgentId(app.mint.uuid()), key.parse().expect("a key"), format!("Agent {key}"), start())
}

/// Returns a store that caches for longer than the test takes.
async fn with_long_memory() -> Store {
    let settings = StoreSettings { lookup_cache: Duration::from_secs(600), pool: 2, ..StoreSettings::default() };
    Store::connect(database().await, settings).await.expect("a store")
}

async fn made(app: &TestApp, new: NewAgent) -> Arc<Agent> {
    match app.tenant().await.agents().create(new).await.expect("an answer") {
        AgentCreated::New(agent) => agent,
        AgentCreated::Taken(name) => panic!("{name:?} is taken"),
    }
}

#[test]
fn an_agent_is_made_once_under_each_of_its_names() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let new = NewAgent { description: Some("Helps.".to_owned()), enabled: false, ..named(&app, "first") };
        let first = made(&app, new.clone()).await;
        assert_eq!((first.description.as_deref(), first.enabled, first.updated_at), (Some("Helps."), false, start()));
        // The same create, attempted again.
        assert_eq!(made(&app, new.clone()).await.number, first.number);

        let taken = |new: NewAgent| {
            let tenant = tenant.clone();
            async move { tenant.agents().create(new).await.expect("an answer") }
        };
        assert_eq!(taken(named(&app, "first")).await, AgentCreated::Taken(AgentName::Key));
        let id = NewAgent { id: first.id, ..named(&app, "other") };
        assert_eq!(taken(id).await, AgentCreated::Taken(AgentName::Id));
        let number = NewAgent { number: Some(first.number), ..named(&app, "other") };
        assert_eq!(taken(number).await, AgentCreated::Taken(AgentName::Number));
    });
}

#[test]
fn a_change_shows_at_once_by_every_name() {
    run(async {
        let (app, store) = (TestApp::new().await, with_long_memory().await);
        let agent = made(&app, named(&app, "changing")).await;
        let tenant = store.tenant(app.org);
        let names = [AgentRef::Id(agent.id), AgentRef::Key(agent.key.clone()), AgentRef::Number(agent.number)];
        for (place, name) in names.iter().enumerate() {
            for seen in &names {
                tenant.agents().find(seen).await.expect("a look").expect("the agent");
            }
            let rule = |agent: &mut Agent| -> Result<(), ()> {
                agent.name = format!("Change {place}");
                Ok(())
            };
            let updated = tenant.agents().update(name, rule).await.expect("an answer");
            assert!(matches!(updated, AgentUpdate::Updated(_)), "{updated:?}");
            for seen in &names {
                let found = tenant.agents().find(seen).await.expect("a look").expect("the agent");
                assert_eq!(found.name, format!("Change {place}"));
            }
        }
        let refused = tenant.agents().update(&names[0], |_| Err("no")).await.expect("an answer");
        assert!(matches!(refused, AgentUpdate::Rejected("no")), "{refused:?}");
    });
}

#[test]
fn a_deleted_agent_is_gone_at_once_and_frees_its_key_alone() {
    run(async {
        let (app, store) = (TestApp::new().await, with_long_memory().await);
        let agent = made(&app, named(&app, "short_lived")).await;
        let tenant = store.tenant(app.org);
        let by_key = AgentRef::Key(agent.key.clone());
        assert!(tenant.agents().find(&by_key).await.expect("a look").is_some());
        assert!(tenant.agents().delete(&by_key, start()).await.expect("an answer"));
        assert!(tenant.agents().find(&by_key).await.expect("a look").is_none());
        assert!(!tenant.agents().delete(&by_key, start()).await.expect("an answer"));
        let updated = tenant.agents().update(&by_key, |_| Ok::<(), ()>(())).await.expect("an answer");
        assert!(matches!(updated, AgentUpdate::Missing), "{updated:?}");

        let again = NewAgent { id: agent.id, ..named(&app, "other") };
        assert_eq!(tenant.agents().create(again).await.expect("an answer"), AgentCreated::Taken(AgentName::Id));
        let successor = made(&app, named(&app, "short_lived")).await;
        assert_ne!((successor.id, successor.number), (agent.id, agent.number));
    });
}

#[test]
fn agents_are_listed_newest_first_and_once_each() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        for place in 0..7 {
            let new = named(&app, &format!("listed_{place}"));
            let created_at = start() + chrono::Duration::milliseconds(place / 2);
            made(&app, NewAgent { enabled: place % 2 == 0, created_at, ..new }).await;
        }
        let filter = AgentFilter { name_contains: Some("LISTED_"), ..AgentFilter::default() };
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = tenant.agents().list(filter, after, PageLimit::rows(2)).await.expect("a page").rows;
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id));
            seen.extend(page.into_iter().map(|agent| (agent.created_at, agent.id)));
        }
        assert_eq!(seen.len(), 7);
        assert!(seen.is_sorted_by(|a, b| a > b));
        assert_eq!(tenant.agents().count(filter, 100).await.expect("a count"), 7);
        assert_eq!(tenant.agents().count(filter, 3).await.expect("a count"), 3);
        let off = AgentFilter { enabled: Some(false), ..filter };
        assert_eq!(tenant.agents().count(off, 100).await.expect("a count"), 3);
        let stranger = TestApp::new().await.tenant().await;
        assert!(stranger.agents().list(filter, None, PageLimit::rows(10)).await.expect("a page").rows.is_empty());
    });
}
