//! `GET /api/agents`.

use serde_json::{Value, json};

use crate::support::messaging::{SESSIONS, error_of};
use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, Setup, TestApp, agent_key, run};

const PATH: &str = "/api/agents";

async fn list(app: &TestApp) -> Vec<Value> {
    let list = app.get(PATH).send().await.expect(200).json();
    assert_eq!(list["success"], true);
    list["data"]["agents"].as_array().expect("agents").clone()
}

#[test]
fn the_callers_agents_are_listed_as_the_vendor_lists_its_own() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        agent_key::agent(&other, "theirs", &json!({})).await;
        agent_key::agent(&app, "described", &json!({"name": "a first one", "description": "Helps."})).await;
        let off = agent_key::agent(&app, "off", &json!({"name": "A switched-off one", "enabled": false})).await;
        assert_eq!(off.json()["enabled"], false);
        let mut agents = list(&app).await;
        assert!(agents.iter().all(|agent| agent["id"].is_string()));
        for agent in &mut agents {
            agent.as_object_mut().expect("an object").remove("id");
        }
        let one = |name: &str, bio: &str, status: &str| json!({"name": name, "characterName": name, "bio": bio, "status": status});
        assert_eq!(
            agents,
            [
                one("a first one", "Helps.", "active"),
                one("Messaging Agent", "", "active"),
                one("Sales Support Agent", "", "active"),
                one("A switched-off one", "", "inactive"),
            ]
        );
    });
}

#[test]
fn a_program_finds_its_agent_and_talks_to_it() {
    run(async {
        let app = TestApp::new().await;
        let agents = list(&app).await;
        let found = agents.iter().find(|agent| agent["name"] == "Messaging Agent").expect("the agent");
        assert_eq!(found["id"], MESSAGING_AGENT_ID);
        let body = json!({"agentId": found["id"], "userId": AGENT_ID}).to_string();
        app.post(SESSIONS, body).send().await.expect(201);
        for path in ["/API/Agents", "/api/agents/", "/api/agents?cursor="] {
            app.get(path).send().await.expect(200);
        }
    });
}

#[test]
fn more_agents_than_one_response_has_are_read_by_its_cursor() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for _ in 0..1_000 {
            app.add_agent().await;
        }
        let first = app.get(PATH).send().await.expect(200).json();
        let next = first["data"]["nextCursor"].as_str().expect("a cursor");
        let rest = app.get(&format!("{PATH}?cursor={next}")).send().await.expect(200).json();
        let count = |list: &Value| list["data"]["agents"].as_array().expect("agents").len();
        assert_eq!((count(&first), count(&rest)), (1_000, 2));
        assert_eq!(rest["data"].get("nextCursor"), None);
        for cursor in ["x", "1.0", "%00"] {
            let refused = app.get(&format!("{PATH}?cursor={cursor}")).send().await;
            error_of(&refused, 400, "VALIDATION_ERROR");
        }
    });
}
