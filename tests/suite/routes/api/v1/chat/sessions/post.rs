//! `POST /api/v1/chat/sessions`: the older path of `/v1/chat/chat/sessions`.

use insta::{allow_duplicates, assert_json_snapshot};

use crate::support::agntix::{CODE_EXAMPLE, EXAMPLE, is_envelope};
use crate::support::bad_input::{self, CreateRoute, Credentials};
use crate::support::{TestApp, run};

const PATH: &str = "/api/v1/chat/sessions";
const SUCCESSOR: &str = "/v1/chat/chat/sessions";

#[test]
fn the_examples_of_the_page_with_a_word_that_the_path_is_old() {
    run(async {
        let app = TestApp::new().await;
        let replies =
            [app.post(PATH, EXAMPLE).send().await.expect(201), app.post(PATH, CODE_EXAMPLE).send().await.expect(201)];
        allow_duplicates!(for reply in replies {
            assert_eq!(reply.json()["orgId"], app.external_id);
            assert_eq!(reply.header("deprecation"), Some("true"));
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
    });
}

#[test]
fn the_newer_path_is_not_deprecated() {
    run(async {
        let app = TestApp::new().await;
        assert_eq!(app.post(SUCCESSOR, EXAMPLE).send().await.expect(201).header("deprecation"), None);
    });
}

#[test]
fn a_session_is_the_same_at_both_paths() {
    run(async {
        let app = TestApp::new().await;
        for (path, other) in [(PATH, SUCCESSOR), (SUCCESSOR, PATH)] {
            let created = app.post(path, EXAMPLE).send().await.expect(201);
            let id = created.json()["id"].as_str().expect("an id").to_owned();
            let found = app.get(&format!("{other}/{id}")).send().await.expect(200);
            assert_eq!(found.text(), created.text());
        }
    });
}

const ROUTE: CreateRoute<'static> = CreateRoute {
    path: PATH,
    taken: r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","pad":0}"#,
    is_envelope,
    mends_texts: false,
};

#[test]
fn bad_bodies_are_refused() {
    run(async { bad_input::rejects_every_bad_body(&TestApp::new().await, &ROUTE).await });
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
