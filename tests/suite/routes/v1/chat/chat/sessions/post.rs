//! `POST /v1/chat/chat/sessions`.

use std::collections::HashSet;

use futures::future::join_all;
use http::Method;
use insta::{allow_duplicates, assert_json_snapshot};
use serde_json::json;

use crate::support::agntix::{CODE_EXAMPLE, EXAMPLE, is_envelope};
use crate::support::bad_input::{self, CreateRoute, Credentials, FILLINGS, object_of};
use crate::support::{AGENT_ID, Reply, Setup, TestApp, run, tokens};

const PATH: &str = "/v1/chat/chat/sessions";

#[test]
fn the_examples_of_the_page() {
    run(async {
        let app = TestApp::new().await;
        let replies =
            [app.post(PATH, EXAMPLE).send().await.expect(201), app.post(PATH, CODE_EXAMPLE).send().await.expect(201)];
        allow_duplicates!(for reply in replies {
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
    });
}

#[test]
fn an_id_is_ses_and_26_characters_and_never_the_same_twice() {
    run(async {
        let app = TestApp::new().await;
        let replies = join_all((0..16).map(|_| app.post(PATH, EXAMPLE).send())).await;
        let ids: HashSet<String> = replies
            .into_iter()
            .map(|reply| reply.expect(201).json()["id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(ids.len(), 16);
        for id in ids {
            let digits = id.strip_prefix("ses_").unwrap_or_else(|| panic!("{id}"));
            assert_eq!(digits.len(), 26, "{id}");
            assert!(digits.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        }
        assert_eq!(app.sessions().await, 16);
    });
}

#[test]
fn the_vendors_quickstart_sends_the_agent_alone() {
    run(async {
        let app = TestApp::new().await;
        let session = app.post(PATH, format!(r#"{{"agentId":"{AGENT_ID}"}}"#)).send().await.expect(201).json();
        assert_eq!(session["platform"], "SDK");
        assert_eq!(session["metadata"], json!({}));
        assert_eq!(session.get("contact"), None);
    });
}

#[test]
fn optional_members_may_be_null_and_unknown_ones_are_ignored() {
    run(async {
        let app = TestApp::new().await;
        let body = format!(
            r#"{{"agentId":"{AGENT_ID}","platform":null,"metadata":null,"contact":null,"agent_id":1,"__proto__":{{}}}}"#
        );
        assert_json_snapshot!(app.post(PATH, body).send().await.expect(201).json(), { ".id" => "[id]", ".orgId" => "[org]" }, @r#"
        {
          "id": "[id]",
          "agentId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
          "platform": "SDK",
          "state": "OPEN",
          "metadata": {},
          "orgId": "[org]",
          "createdAt": "2026-04-29T09:00:00Z",
          "updatedAt": "2026-04-29T09:00:00Z"
        }
        "#);
    });
}

#[test]
fn every_platform_of_the_page_comes_back() {
    run(async {
        let app = TestApp::new().await;
        for platform in ["SDK", "WEB", "WHATSAPP", "VOICE"] {
            let body = json!({"agentId": AGENT_ID, "platform": platform});
            assert_eq!(app.post(PATH, body.to_string()).send().await.expect(201).json()["platform"], platform);
        }
    });
}

#[test]
fn a_contact_comes_back_as_it_was_sent() {
    run(async {
        let app = TestApp::new().await;
        for contact in [
            r#"{"tags":["vip","é"],"metadata":{"z":1,"a":12345678901234567890},"externalId":"crm-1","other":1.0}"#,
            r#"{"externalId":null,"metadata":null,"tags":null}"#,
            r#"{"tags":[]}"#,
            "{}",
        ] {
            let body = format!(r#"{{"agentId":"{AGENT_ID}","contact":{contact}}}"#);
            let reply = app.post(PATH, body).send().await.expect(201);
            assert!(
                reply.text().contains(&format!(r#""metadata":{{}},"contact":{contact},"orgId""#)),
                "{}",
                reply.text()
            );
        }
    });
}

#[test]
fn an_agents_uuid_is_known_in_either_case() {
    run(async {
        let app = TestApp::new().await;
        let body = json!({"agentId": AGENT_ID.to_uppercase()});
        assert_eq!(app.post(PATH, body.to_string()).send().await.expect(201).json()["agentId"], AGENT_ID);
    });
}

/// Fails unless the response is this error. `case` has the names of the test's case.
#[track_caller]
fn assert_error(reply: &Reply, case: &str, status: u16, code: &str, message: &str) {
    assert_eq!(reply.status.as_u16(), status, "{case}: {}", reply.text());
    let error = reply.json()["error"].clone();
    assert_eq!((error["code"].as_str(), error["message"].as_str()), (Some(code), Some(message)), "{case}");
}

#[test]
fn members_that_do_not_fit_the_page_are_refused() {
    const EMPTY: &str = "agentId should not be empty";
    const UUID: &str = "agentId must be a UUID";
    const PLATFORM: &str = "platform must be one of the following values: SDK, WEB, WHATSAPP, VOICE";
    run(async {
        let app = TestApp::new().await;
        let bare = AGENT_ID.replace('-', "");
        let beside = |member: &str| format!(r#"{{"agentId":"{AGENT_ID}",{member}}}"#);
        for (body, message) in [
            ("{}".to_owned(), EMPTY),
            (r#"{"agentId":null}"#.to_owned(), EMPTY),
            (r#"{"agentId":""}"#.to_owned(), EMPTY),
            (format!(r#"{{"agent_id":"{AGENT_ID}"}}"#), EMPTY),
            (r#"{"agentId":"<string>"}"#.to_owned(), UUID),
            (r#"{"agentId":"agnt_01j3m8xkqp8v2nw4f7g9hk0r"}"#.to_owned(), UUID),
            (format!(r#"{{"agentId":"{bare}"}}"#), UUID),
            (format!(r#"{{"agentId":"{{{AGENT_ID}}}"}}"#), UUID),
            (format!(r#"{{"agentId":"urn:uuid:{AGENT_ID}"}}"#), UUID),
            (format!(r#"{{"agentId":" {AGENT_ID}"}}"#), UUID),
            (format!(r#"{{"agentId":"{AGENT_ID}\n"}}"#), UUID),
            (r#"{"agentId":123}"#.to_owned(), UUID),
            (r#"{"agentId":9223372036854775808}"#.to_owned(), UUID),
            (r#"{"agentId":false}"#.to_owned(), UUID),
            (format!(r#"{{"agentId":["{AGENT_ID}"]}}"#), UUID),
            (r#"{"agentId":{}}"#.to_owned(), UUID),
            (beside(r#""platform":"""#), PLATFORM),
            (beside(r#""platform":"sdk""#), PLATFORM),
            (beside(r#""platform":"SDK ""#), PLATFORM),
            (beside(r#""platform":"PHONE""#), PLATFORM),
            (beside(r#""platform":1"#), PLATFORM),
            (beside(r#""platform":["SDK"]"#), PLATFORM),
            (beside(r#""metadata":[]"#), "metadata must be an object"),
            (beside(r#""metadata":"{}""#), "metadata must be an object"),
            (beside(r#""metadata":1"#), "metadata must be an object"),
            (beside(r#""metadata":true"#), "metadata must be an object"),
            (beside(r#""contact":"crm-1""#), "contact must be an object"),
            (beside(r#""contact":[]"#), "contact must be an object"),
            (beside(r#""contact":{"externalId":1}"#), "contact.externalId must be a string"),
            (beside(r#""contact":{"metadata":[]}"#), "contact.metadata must be an object"),
            (beside(r#""contact":{"tags":"vip"}"#), "contact.tags must be an array of strings"),
            (beside(r#""contact":{"tags":["vip",1]}"#), "contact.tags must be an array of strings"),
            (beside(r#""contact":{"tags":[null]}"#), "contact.tags must be an array of strings"),
            (beside(r#""contact":{"tags":[],"tags":[]}"#), "contact must not name a member twice"),
            (beside(&format!(r#""agentId":"{AGENT_ID}""#)), "the body must not name a member twice"),
            (beside(r#""agent\u0049d":null"#), "the body must not name a member twice"),
        ] {
            let reply = app.post(PATH, &body).send().await;
            assert_error(&reply, &body, 400, "VALIDATION_ERROR", message);
        }
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn metadata_may_have_4096_utf16_units_and_no_more() {
    run(async {
        let app = TestApp::new().await;
        for (filling, units) in FILLINGS {
            let body = |total| {
                // White space between tokens does not count.
                let metadata = object_of(total, filling, units).replacen(':', " :\n ", 1);
                format!(r#"{{"agentId":"{AGENT_ID}","metadata":{metadata}}}"#)
            };
            let reply = app.post(PATH, body(4_096)).send().await;
            assert_eq!(reply.status, 201, "{filling}: {}", reply.text());
            let reply = app.post(PATH, body(4_097)).send().await;
            let message = "metadata must be shorter than or equal to 4096 characters";
            assert_error(&reply, filling, 400, "VALIDATION_ERROR", message);
        }
        let contact =
            |total| format!(r#"{{"agentId":"{AGENT_ID}","contact":{{"metadata":{}}}}}"#, object_of(total, "é", 1));
        app.post(PATH, contact(4_096)).send().await.expect(201);
        let reply = app.post(PATH, contact(4_097)).send().await;
        let message = "contact.metadata must be shorter than or equal to 4096 characters";
        assert_error(&reply, "contact", 400, "VALIDATION_ERROR", message);
        assert_eq!(app.sessions().await, FILLINGS.len() + 1);
    });
}

#[test]
fn an_error_says_whose_request_it_was() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(PATH, "{}").header("x-request-id", "abc-1").send().await.expect(400);
        assert_json_snapshot!(reply.json(), @r#"
        {
          "error": {
            "code": "VALIDATION_ERROR",
            "message": "agentId should not be empty",
            "status": 400,
            "requestId": "req_abc-1"
          },
          "meta": {
            "requestId": "req_abc-1",
            "timestamp": "2026-04-29T09:00:00Z"
          }
        }
        "#);
        assert_eq!(reply.header("x-request-id"), Some("abc-1"));
    });
}

#[test]
fn an_agent_that_is_unknown_foreign_or_deleted_is_not_found() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let (foreign, _) = other.add_agent().await;
        let (deleted, _) = app.add_agent().await;
        let ask = |agent: String| app.post(PATH, json!({"agentId": agent}).to_string());
        ask(deleted.to_string()).send().await.expect(201);
        app.delete_agent(deleted).await;
        for agent in [
            app.mint.uuid().to_string(),
            "00000000-0000-0000-0000-000000000000".to_owned(),
            foreign.to_string(),
            deleted.to_string(),
        ] {
            assert_error(&ask(agent.clone()).send().await, &agent, 404, "NOT_FOUND", "Agent not found.");
        }
        assert_eq!((app.sessions().await, other.sessions().await), (1, 0));
    });
}

#[test]
fn an_agent_that_is_switched_off_takes_no_sessions() {
    run(async {
        let app = TestApp::new().await;
        let (agent, _) = app.add_agent().await;
        app.disable_agent(agent).await;
        let reply = app.post(PATH, json!({"agentId": agent}).to_string()).send().await;
        assert_error(&reply, "switched off", 400, "SESSION_CREATION_ERROR", "The agent is not active.");
        assert_eq!(app.sessions().await, 0);
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
fn a_token_is_taken() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        bad_input::takes_a_token(&app, &ROUTE).await;
    });
}

#[test]
fn a_spent_limit_is_429() {
    run(async { bad_input::holds_the_rate_limit(&TestApp::new().await, &ROUTE).await });
}

#[test]
fn every_answer_to_a_known_caller_tells_where_its_limit_stands() {
    run(async {
        let app = TestApp::new().await;
        app.limit_to(7).await;
        for (body, status, remaining) in [(EXAMPLE, 201, "6"), ("{}", 400, "5")] {
            let reply = app.post(PATH, body).send().await.expect(status);
            assert_eq!(reply.header("x-ratelimit-limit"), Some("7"));
            assert_eq!(reply.header("x-ratelimit-remaining"), Some(remaining));
            let reset: i64 = reply.header("x-ratelimit-reset").expect("a reset").parse().expect("Unix seconds");
            assert!((1..=60).contains(&(reset - app.clock.now().timestamp())), "{reset}");
        }
        let reply = app.post(PATH, EXAMPLE).anonymous().send().await.expect(401);
        assert_eq!(reply.header("x-ratelimit-limit"), None);
    });
}

#[test]
fn unknown_paths_and_methods_are_answered_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        for (method, path, status, code) in [
            (Method::PUT, PATH, 405, "METHOD_NOT_ALLOWED"),
            (Method::DELETE, PATH, 405, "METHOD_NOT_ALLOWED"),
            (Method::POST, "/v1/chat/chat/sessions/ses_01j3m8xkqp8v2nw4f7g9hk0r00", 405, "METHOD_NOT_ALLOWED"),
            (Method::POST, "/v1/chat/chat/sessions/", 404, "NOT_FOUND"),
            (Method::POST, "/v1/chat/sessions", 404, "NOT_FOUND"),
            (Method::POST, "/v1/chat/chat/Sessions", 404, "NOT_FOUND"),
            (Method::GET, "/v1/chat", 404, "NOT_FOUND"),
            (Method::GET, "/v2/chat/nothing", 404, "NOT_FOUND"),
            (Method::GET, "/api/v1/chat/nothing", 404, "NOT_FOUND"),
            (Method::PUT, "/api/v1/chat/sessions", 405, "METHOD_NOT_ALLOWED"),
        ] {
            let reply = app.ask(method.clone(), path).anonymous().send().await;
            assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.text());
            assert!(is_envelope(&reply), "{method} {path}: {}", reply.text());
            assert_eq!(reply.json()["error"]["code"], code, "{method} {path}");
        }
    });
}

#[test]
fn only_pages_of_configured_origins_may_call() {
    run(async {
        let setup =
            Setup { cors_origins: vec!["https://desk.example".parse().expect("an origin")], ..Setup::default() };
        let app = TestApp::with(setup).await;
        for (origin, allowed) in
            [("https://desk.example", Some("https://desk.example")), ("https://other.example", None)]
        {
            let reply = app.post(PATH, EXAMPLE).header("origin", origin).send().await.expect(201);
            assert_eq!(reply.header("access-control-allow-origin"), allowed, "{origin}");
            let preflight = app.ask(Method::OPTIONS, PATH).anonymous().header("origin", origin);
            let preflight = preflight.header("access-control-request-method", "POST").send().await;
            assert_eq!(preflight.header("access-control-allow-origin"), allowed, "{origin}");
        }
    });
}
