//! `POST /v1/chat/chat/sessions`.

use insta::assert_json_snapshot;

use crate::support::bad_input::{self, CreateRoute, Credentials};
use crate::support::{AGENT_ID, TestApp, run};

const PATH: &str = "/v1/chat/chat/sessions";

/// The request of the vendor's page, to the letter.
const EXAMPLE: &str = r#"
{
  "agentId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
  "platform": "SDK",
  "metadata": {
    "userId": "usr_123",
    "locale": "en-US"
  }
}
"#;

#[test]
fn the_example_of_the_page() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(PATH, EXAMPLE).send().await.expect(201);
        assert_eq!(reply.json()["orgId"], app.external_id);
        assert_json_snapshot!(reply.json(), { ".id" => "[id]", ".orgId" => "[org]" }, @r#"
        {
          "id": "[id]",
          "agentId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
          "platform": "SDK",
          "state": "OPEN",
          "metadata": {
            "userId": "usr_123",
            "locale": "en-US"
          },
          "orgId": "[org]",
          "createdAt": "2026-04-29T09:00:00Z",
          "updatedAt": "2026-04-29T09:00:00Z"
        }
        "#);
    });
}

#[test]
fn the_vendors_quickstart_sends_the_agent_alone() {
    run(async {
        let app = TestApp::new().await;
        let session = app.post(PATH, format!(r#"{{"agentId":"{AGENT_ID}"}}"#)).send().await.expect(201).json();
        assert_eq!(session["platform"], "SDK");
        assert_eq!(session["metadata"], serde_json::json!({}));
    });
}

const ROUTE: CreateRoute<'static> = CreateRoute {
    path: PATH,
    taken: r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","pad":0}"#,
    is_envelope: |reply| {
        let body = reply.json();
        body["error"]["status"] == reply.status.as_u16()
            && body["error"]["code"].is_string()
            && body["error"]["message"].is_string()
            && body["error"]["requestId"] == body["meta"]["requestId"]
            && body["meta"]["timestamp"] == "2026-04-29T09:00:00Z"
    },
    mends_texts: false,
};

#[test]
fn bad_bodies_are_refused() {
    run(async { bad_input::refuses_every_bad_body(&TestApp::new().await, &ROUTE).await });
}

#[test]
fn credentials_are_those_of_the_table() {
    run(async {
        let table = Credentials { org_header: 401, bearer_api_key: 401, nothing: 401 };
        bad_input::holds_the_table_of_credentials(&TestApp::new().await, &ROUTE, &table).await;
    });
}

#[test]
fn a_spent_limit_is_429() {
    run(async { bad_input::holds_the_rate_limit(&TestApp::new().await, &ROUTE).await });
}
