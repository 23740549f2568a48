//! `POST /v2/agents/{agent_key}/sessions`.

use http::Method;
use insta::{allow_duplicates, assert_json_snapshot};
use serde_json::{Value, json};
use sessionary::domain::{AgentId, Contract, NewAgent};

use crate::support::bad_input::{self, CreateRoute, Credentials};
use crate::support::{AGENT_KEY, Reply, Setup, TestApp, admin, metadata_of, run, start};

const PATH: &str = "/v2/agents/customer_support/sessions";
const OTHER_PATH: &str = "/v2/agents/messaging_agent/sessions";

/// UTF-16 code units of the metadata.
const METADATA_LIMIT: usize = 65_536;

/// The request of the vendor's page, sent to the agent `customer_support`.
const EXAMPLE: &str = r#"
{
  "key": "support_session_12345",
  "name": "Customer Support Session",
  "description": "Support session for a billing question",
  "metadata": {
    "customer_id": "cust_12345",
    "customer_email": "customer@example.com",
    "priority": "high",
    "channel": "web_chat",
    "issue_category": "billing"
  },
  "enabled": true
}
"#;

#[test]
fn the_example_of_the_page() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(PATH, EXAMPLE).send().await.expect(201);
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        assert_json_snapshot!(reply.json(), @r#"
        {
          "key": "support_session_12345",
          "agent_key": "customer_support",
          "name": "Customer Support Session",
          "description": "Support session for a billing question",
          "metadata": {
            "customer_id": "cust_12345",
            "customer_email": "customer@example.com",
            "priority": "high",
            "channel": "web_chat",
            "issue_category": "billing"
          },
          "enabled": true,
          "created_at": "2026-04-29T09:00:00.000Z",
          "status": "unstarted"
        }
        "#);
    });
}

#[test]
fn a_name_alone_is_enough() {
    run(async {
        let app = TestApp::new().await;
        for body in [
            r#"{"name":"Tool Demo Session"}"#,
            r#"{"name":"Tool Demo Session","key":null,"description":null,"metadata":null,"enabled":null,"tti_minutes":null}"#,
        ] {
            let reply = app.post(PATH, body).send().await.expect(201);
            assert_made_up(&reply.member("key"), "ase_tool_demo_session_", 4);
            allow_duplicates! {
                assert_json_snapshot!(reply.json(), { ".key" => "[key]" }, @r#"
                {
                  "key": "[key]",
                  "agent_key": "customer_support",
                  "name": "Tool Demo Session",
                  "metadata": {},
                  "enabled": true,
                  "created_at": "2026-04-29T09:00:00.000Z",
                  "status": "unstarted"
                }
                "#);
            }
        }
    });
}

#[test]
fn everything_that_can_be_said_comes_back_in_the_vendors_order() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"tti_minutes":60,"enabled":false,"metadata":{},"description":"","name":"客户 👋","key":"-_9zZ","unknown":1}"#;
        let reply = app.post(PATH, body).send().await.expect(201);
        assert_eq!(
            reply.text(),
            r#"{"key":"-_9zZ","agent_key":"customer_support","name":"客户 👋","description":"","metadata":{},"enabled":false,"created_at":"2026-04-29T09:00:00.000Z","tti_minutes":60,"status":"unstarted"}"#
        );
    });
}

/// Fails unless `key` is `prefix` and so many lower-case hexadecimal digits.
#[track_caller]
fn assert_made_up(key: &str, prefix: &str, digits: usize) {
    let rest = key.strip_prefix(prefix).unwrap_or_else(|| panic!("{key} does not begin with {prefix}"));
    assert_eq!(rest.len(), digits, "{key}");
    assert!(rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{key}");
}

#[test]
fn a_made_up_key_reads_like_the_name() {
    run(async {
        let app = TestApp::new().await;
        let long = "a".repeat(200);
        for (name, prefix) in [
            ("Technical Support Chat 20260528-151501", "ase_technical_support_chat_20260528-151501_"),
            ("Contract Triage Q&A", "ase_contract_triage_q_a_"),
            ("客户支持", "ase_session_"),
            (long.as_str(), &format!("ase_{}_", "a".repeat(41))),
        ] {
            let reply = app.post(PATH, json!({ "name": name }).to_string()).send().await.expect(201);
            assert_made_up(&reply.member("key"), prefix, 4);
        }
    });
}

/// Returns the response of a service with fixed randomness to a create without a key, while `taken` exist.
async fn create_beside(taken: &[String]) -> Reply {
    let app = TestApp::new().await;
    for key in taken {
        app.post(PATH, json!({ "key": key, "name": "In the way" }).to_string()).send().await.expect(201);
    }
    app.seeded(7).await.post(PATH, r#"{"name":"Tool Demo Session"}"#).send().await
}

#[test]
fn a_made_up_key_grows_while_it_is_taken() {
    run(async {
        let mut taken = Vec::new();
        for digits in [4, 8, 12] {
            let key = create_beside(&taken).await.expect(201).member("key");
            assert_made_up(&key, "ase_tool_demo_session_", digits);
            taken.push(key);
        }
        let reply = create_beside(&taken).await.expect(409);
        assert_eq!(reply.json()["messages"], json!([format!("A session with key '{}' already exists.", taken[2])]));
    });
}

#[test]
fn a_repeated_key_is_409_and_the_first_session_stays() {
    run(async {
        let app = TestApp::new().await;
        let first = app.post(PATH, EXAMPLE).send().await.expect(201);
        let again = r#"{"key":"support_session_12345","name":"Another"}"#;
        let reply = app.post(PATH, again).header("x-request-id", "again").send().await.expect(409);
        assert_eq!(
            reply.text(),
            r#"{"messages":["A session with key 'support_session_12345' already exists."],"request_id":"again"}"#
        );
        let found = app.get(&format!("{PATH}/support_session_12345")).send().await.expect(200);
        assert_eq!(found.text(), first.text());
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn of_creates_of_one_key_at_once_one_is_201_and_the_others_409() {
    run(async {
        let app = TestApp::new().await;
        let body = |n| json!({ "key": "race", "name": format!("Runner {n}") }).to_string();
        let replies = futures::future::join_all((0..8).map(|n| app.post(PATH, body(n)).send())).await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
        let winner = replies.iter().find(|reply| reply.status == 201).map(Reply::text);
        assert_eq!(Some(app.get(&format!("{PATH}/race")).send().await.expect(200).text()), winner);
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn the_same_key_under_two_agents_is_two_sessions() {
    run(async {
        let app = TestApp::new().await;
        for (path, agent) in [(PATH, AGENT_KEY), (OTHER_PATH, "messaging_agent")] {
            let body = json!({ "key": "same", "name": agent }).to_string();
            let created = app.post(path, body).send().await.expect(201);
            assert_eq!(created.member("agent_key"), agent);
            let found = app.get(&format!("{path}/same")).send().await.expect(200);
            assert_eq!(found.text(), created.text());
        }
        assert_eq!(app.sessions().await, 2);
    });
}

#[test]
fn keys_tell_upper_from_lower_case() {
    run(async {
        let app = TestApp::new().await;
        for key in ["Case", "case"] {
            app.post(PATH, json!({ "key": key, "name": "x" }).to_string()).send().await.expect(201);
        }
        assert_eq!(app.sessions().await, 2);
    });
}

#[test]
fn the_vendors_clients_may_leave_the_name_out() {
    run(async {
        let documented = TestApp::new().await;
        let observed = TestApp::with(Setup { contract: Contract::Observed, ..Setup::default() }).await;
        for body in ["{}", r#"{"name":null}"#] {
            let mcp =
                documented.post(PATH, body).header("user-agent", "Vectara-MCP-Server/2.0").send().await.expect(201);
            let sdk = documented.post(PATH, body).header("X-Fern-SDK-Name", "vectara").send().await.expect(201);
            let deployment = observed.post(PATH, body).send().await.expect(201);
            for reply in [mcp, sdk, deployment] {
                assert_eq!(reply.member("name"), "Untitled session");
                assert_made_up(&reply.member("key"), "ase_untitled_session_", 4);
            }
            documented.post(PATH, body).send().await.expect(400);
        }
        for body in [r#"{"name":17}"#, r#"{"name":""}"#] {
            documented.post(PATH, body).header("X-Fern-SDK-Name", "vectara").send().await.expect(400);
            observed.post(PATH, body).send().await.expect(400);
        }
        assert_eq!((documented.sessions().await, observed.sessions().await), (4, 2));
    });
}

/// Sends a body with one invalid member, and compares the whole response.
async fn refuses(app: &TestApp, body: &str, code: &str, field: &str, message: &str) {
    let reply = app.post(PATH, body).header("x-request-id", "bad-member").send().await;
    let shown: String = body.chars().take(80).collect();
    assert_eq!(reply.status, 400, "{shown}: {}", reply.text());
    let expected = json!({
        "code": code,
        "field_errors": { field: message },
        "messages": [format!("{field}: {message}")],
        "request_id": "bad-member",
    });
    assert_eq!(reply.text(), expected.to_string(), "{shown}");
}

#[test]
fn a_bad_member_is_named_and_leaves_no_row() {
    run(async {
        let app = TestApp::new().await;
        let name = "must be a string of 1 to 1000 characters";
        for sent in ["17", "true", "[]", "{}", r#"["x"]"#, r#""""#] {
            refuses(&app, &format!(r#"{{"name":{sent}}}"#), "invalid_request", "name", name).await;
        }
        for long in ["x", "é", "😀"] {
            let body = json!({ "name": long.repeat(1_001) }).to_string();
            refuses(&app, &body, "invalid_request", "name", name).await;
        }
        for body in ["{}", r#"{"name":null}"#, r#"{"Name":"x"}"#] {
            refuses(&app, body, "invalid_request", "name", "is required").await;
        }

        let key = "must be 1 to 50 characters of 0-9, a-z, A-Z, _ and -";
        let long_key = format!("\"{}\"", "k".repeat(51));
        for (member, message, values) in [
            (
                "key",
                key,
                &[
                    "17",
                    "true",
                    "[]",
                    "{}",
                    r#""""#,
                    r#"" ""#,
                    r#""a b""#,
                    r#""a\n""#,
                    r#""ä""#,
                    r#""a/b""#,
                    r#""a.b""#,
                    r#""{a}""#,
                    r#""😀""#,
                    &long_key,
                ][..],
            ),
            ("description", "must be a string of at most 10000 characters", &["17", "false", "[]", "{}"]),
            ("enabled", "must be a boolean", &[r#""true""#, "1", "0", r#""""#, "[]", "{}"]),
            (
                "tti_minutes",
                "must be an integer of 0 or more",
                &[
                    "-1",
                    "1.5",
                    "15e-1",
                    "-1.0",
                    r#""5""#,
                    r#""""#,
                    "true",
                    "[]",
                    "{}",
                    "9223372036854775808",
                    "-9223372036854775808",
                    "-9223372036854775809",
                    "1e999",
                ],
            ),
            ("from_session", "must be an object", &[r#""x""#, "17", "[]", "true"]),
            ("from_session", "session_key is required", &["{}", r#"{"session_key":null}"#]),
            ("from_session", "session_key must be a string", &[r#"{"session_key":17}"#]),
            (
                "from_session",
                "include_up_to_event_id and compact_up_to_event_id exclude each other",
                &[r#"{"session_key":"x","include_up_to_event_id":"a","compact_up_to_event_id":"b"}"#],
            ),
        ] {
            for value in values {
                let body = format!(r#"{{"name":"x","{member}":{value}}}"#);
                refuses(&app, &body, "invalid_request", member, message).await;
            }
        }

        for value in [r#""text""#, r#""""#, "17", "true", "false", "[]", r#"[{"a":1}]"#] {
            let body = format!(r#"{{"name":"x","metadata":{value}}}"#);
            refuses(&app, &body, "invalid_metadata", "metadata", "must be an object").await;
        }
        let body = format!(r#"{{"name":"x","metadata":{}}}"#, metadata_of(METADATA_LIMIT + 1));
        refuses(&app, &body, "invalid_metadata", "metadata", "must not exceed 65536 characters").await;

        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn limits_belong_to_what_they_allow() {
    run(async {
        let app = TestApp::new().await;
        for name in ["x", " ", &"é".repeat(1_000), &"😀".repeat(1_000)] {
            let reply = app.post(PATH, json!({ "name": name }).to_string()).send().await.expect(201);
            assert_eq!(reply.member("name"), name);
        }
        for key in ["0", &"k".repeat(50)] {
            let reply = app.post(PATH, json!({ "name": "x", "key": key }).to_string()).send().await.expect(201);
            assert_eq!(reply.member("key"), key);
        }
        for minutes in [1, i64::MAX] {
            let body = json!({ "name": "x", "tti_minutes": minutes }).to_string();
            assert_eq!(app.post(PATH, body).send().await.expect(201).json()["tti_minutes"], minutes);
        }
        let metadata = metadata_of(METADATA_LIMIT);
        let body = format!(r#"{{"name":"x","metadata":{metadata}}}"#);
        let reply = app.post(PATH, body).send().await.expect(201);
        let sent: Value = serde_json::from_str(&metadata).expect("metadata of the test's own");
        assert_eq!(reply.json()["metadata"], sent);
    });
}

#[test]
fn a_member_named_twice_is_refused() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(PATH, r#"{"name":"a","name":"b"}"#).send().await.expect(400).json();
        assert_eq!(reply["code"], "invalid_request");
        assert_eq!(reply["messages"], json!(["The body names a member twice."]));
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn faults_of_the_body_are_worded_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        for (body, message) in [
            ("{", "Malformed body: the body is not valid JSON."),
            ("[]", "The body must be a JSON object."),
            ("", "The body must be a JSON object."),
            (r#"{"name":"\u0000"}"#, "Malformed body: the JSON contains the character U+0000, which cannot be stored."),
            (r#"{"name":1e999999}"#, "Malformed body: the JSON contains a number that is too large or too long."),
        ] {
            let reply = app.post(PATH, body).header("x-request-id", "fault").send().await;
            assert_eq!(reply.status, 400, "{body}: {}", reply.text());
            let expected = json!({ "code": "invalid_request", "messages": [message], "request_id": "fault" });
            assert_eq!(reply.text(), expected.to_string(), "{body}");
        }
        let reply = app.post(PATH, "x".repeat(2 * 1024 * 1024 + 1)).send().await.expect(413).json();
        assert_eq!(reply["messages"], json!(["The body must not exceed 2097152 bytes."]));
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn an_unknown_agent_is_404_and_leaves_no_row() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let theirs = NewAgent::named(
            AgentId(app.mint.uuid()),
            "their_agent".parse().expect("a key"),
            "Somebody else's".to_owned(),
            start(),
        );
        admin().await.create_agent(other.org, &theirs).await.expect("an agent");
        let long = "k".repeat(51);
        for (segment, key) in [
            ("their_agent", "their_agent"),
            ("nobody", "nobody"),
            // Names of the agent in other dialects.
            ("a1b2c3d4-e5f6-7890-abcd-ef1234567890", "a1b2c3d4-e5f6-7890-abcd-ef1234567890"),
            ("123", "123"),
            ("Customer_Support", "Customer_Support"),
            // What can be no key.
            ("a%2Fb", "a/b"),
            ("a%20b", "a b"),
            ("%C3%A4", "ä"),
            ("%00", "\0"),
            (&long, &long),
        ] {
            let path = format!("/v2/agents/{segment}/sessions");
            let reply = app.post(&path, r#"{"name":"x"}"#).header("x-request-id", "unknown").send().await.expect(404);
            let expected = json!({
                "code": "agent_not_found",
                "id": key,
                "messages": [format!("Agent with key '{key}' does not exist.")],
                "request_id": "unknown",
            });
            assert_eq!(reply.text(), expected.to_string(), "{segment}");
        }
        assert_eq!((app.sessions().await, other.sessions().await), (0, 0));
    });
}

#[test]
fn a_path_may_be_percent_encoded() {
    run(async {
        let app = TestApp::new().await;
        let path = "/v2/agents/customer%5Fsupport/sessions";
        assert_eq!(app.post(path, EXAMPLE).send().await.expect(201).member("agent_key"), AGENT_KEY);
        let reply = app.post("/v2/agents/%FF%FE/sessions", EXAMPLE).send().await.expect(400).json();
        assert_eq!(reply["code"], "invalid_request");
        assert_eq!(reply["messages"], json!(["The path must be valid UTF-8."]));
    });
}

#[test]
fn unknown_routes_and_methods_answer_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        for (method, path, status, message) in [
            (Method::GET, "/v2", 404, "There is nothing at this path."),
            (Method::POST, "/v2/nothing", 404, "There is nothing at this path."),
            (Method::POST, "/v2/agents/customer_support/sessions/", 404, "There is nothing at this path."),
            (Method::POST, "/v2/agents/a/b/sessions", 404, "There is nothing at this path."),
            (Method::PUT, PATH, 405, "This path has no such method."),
            (Method::PATCH, PATH, 405, "This path has no such method."),
            (Method::POST, "/v2/agents/customer_support/sessions/x", 405, "This path has no such method."),
        ] {
            let reply = app.ask(method.clone(), path).json("{}").header("x-request-id", "lost").send().await;
            assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
            assert_eq!(reply.json(), json!({ "messages": [message], "request_id": "lost" }), "{method} {path}");
            assert_eq!(reply.header("allow").is_some(), status == 405, "{method} {path}");
        }
    });
}

const ROUTE: CreateRoute<'static> = CreateRoute {
    path: PATH,
    taken: r#"{"name":"Tool Demo Session","pad":0}"#,
    is_envelope: |reply| {
        let body = reply.json();
        let code = match reply.status.as_u16() {
            401 => "unauthorized",
            403 => "forbidden",
            429 => "rate_limit_exceeded",
            _ => "invalid_request",
        };
        let texts = body["messages"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string));
        texts && body["code"] == code && body["request_id"].as_str() == reply.header("x-request-id")
    },
    mends_texts: false,
};

#[test]
fn bad_bodies_are_refused() {
    run(async { bad_input::rejects_every_bad_body(&TestApp::new().await, &ROUTE).await });
}

#[test]
fn credentials_are_those_of_the_table() {
    run(async {
        let table = Credentials { org_header: 401, bearer_api_key: 201, nothing: 401 };
        bad_input::holds_the_table_of_credentials(&TestApp::new().await, &ROUTE, &table).await;
    });
}

#[test]
fn a_spent_limit_is_429() {
    run(async { bad_input::holds_the_rate_limit(&TestApp::new().await, &ROUTE).await });
}

#[test]
fn a_disabled_agent_is_403_and_a_deleted_one_is_not_found() {
    run(async {
        let app = TestApp::new().await;
        let (disabled, deleted) = (app.add_agent().await.0, app.add_agent().await.0);
        app.disable_agent(disabled).await;
        app.delete_agent(deleted).await;
        for (agent, status, code) in [(disabled, 403, "forbidden"), (deleted, 404, "agent_not_found")] {
            let reply = app.post(&format!("/v2/agents/{agent}/sessions"), r#"{"name":"A session"}"#).send().await;
            assert_eq!(reply.expect(status).json()["code"], code);
        }
        assert_eq!(app.sessions().await, 0);
    });
}
