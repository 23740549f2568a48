//! `POST /api/v1/capture-session`.

use std::num::NonZeroU32;

use futures::future::join_all;
use http::Method;
use insta::assert_json_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use sessionary::domain::{Contract, OrgId, RateLimits, SessionId};
use sessionary::store::SessionRow;

use crate::support::bad_input::{self, CreateRoute, Credentials, HOSTILE_OBJECT};
use crate::support::{AGENT_ID, Reply, Setup, TestApp, admin, run, start, tokens};

const PATH: &str = "/api/v1/capture-session";
const SESSION: &str = "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731";

/// The page has no request in one piece: these are the examples that it gives member by member, to the letter.
const EXAMPLE: &str = r#"
{
  "session_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
  "user_data": {
    "user_id": "user-anon-002",
    "email": "user@example.com",
    "user_plan": "pro"
  },
  "metadata": {
    "language": "hi-IN"
  },
  "timestamp": 1714867200000,
  "client_config": "client-segment-001"
}
"#;

/// What is stored of a session, as JSON.
fn stored(row: &SessionRow) -> Value {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("stored JSON");
    json!({
        "public_id": row.public_id,
        "kind": row.kind,
        "user_id": row.user_id,
        "metadata": row.metadata.as_deref().map(parsed),
        "detail": parsed(&row.detail),
        "created_at": row.created_at,
    })
}

/// Returns a capture of this session that is valid by the vendor's page.
fn capture(session: &str) -> String {
    json!({"session_id": session, "user_data": {"user_id": "user-anon-002"}}).to_string()
}

async fn observed() -> TestApp {
    TestApp::with(Setup { contract: Contract::Observed, ..Setup::default() }).await
}

#[test]
fn the_example_of_the_page() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(PATH, EXAMPLE).as_org_header().send().await.expect(200);
        assert_json_snapshot!(reply.json(), @r#"
        {
          "session_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731"
        }
        "#);
        assert_json_snapshot!(stored(&app.session_called(SESSION).await), @r#"
        {
          "public_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
          "kind": null,
          "user_id": "user-anon-002",
          "metadata": {
            "language": "hi-IN"
          },
          "detail": {
            "received_at": "2026-04-29T09:00:00.000Z",
            "user_data": {
              "user_id": "user-anon-002",
              "email": "user@example.com",
              "user_plan": "pro"
            },
            "client_config": "client-segment-001"
          },
          "created_at": "2024-05-05T00:00:00Z"
        }
        "#);
    });
}

#[test]
fn the_server_says_when_a_session_began_if_nobody_else_does() {
    run(async {
        let app = TestApp::new().await;
        app.post(PATH, capture(SESSION)).send().await.expect(200);
        assert_json_snapshot!(stored(&app.session_called(SESSION).await), @r#"
        {
          "public_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
          "kind": null,
          "user_id": "user-anon-002",
          "metadata": null,
          "detail": {
            "received_at": "2026-04-29T09:00:00.000Z",
            "user_data": {
              "user_id": "user-anon-002"
            }
          },
          "created_at": "2026-04-29T09:00:00Z"
        }
        "#);
    });
}

#[test]
fn optional_members_may_be_null() {
    run(async {
        let app = TestApp::new().await;
        let nulls = format!(
            r#"{{"session_id":"{SESSION}","user_data":{{"user_id":"u"}},"metadata":null,"timestamp":null,"client_config":null}}"#
        );
        app.post(PATH, nulls).send().await.expect(200);
        let row = app.session_called(SESSION).await;
        assert_eq!((row.metadata, row.created_at), (None, start()));
    });
}

#[test]
fn a_timestamp_may_be_any_millisecond_from_1973_to_tomorrow() {
    run(async {
        let app = TestApp::new().await;
        let arrival = start().to_rfc3339();
        for (timestamp, began) in [
            ("100000000000", "1973-03-03T09:46:40+00:00"),
            ("1714867200123", "2024-05-05T00:00:00.123+00:00"),
            ("253402300799999", arrival.as_str()),
        ] {
            let id = app.mint.uuid().to_string();
            let body = format!(r#"{{"session_id":"{id}","user_data":{{"user_id":"u"}},"timestamp":{timestamp}}}"#);
            app.post(PATH, body).send().await.expect(200);
            assert_eq!(app.session_called(&id).await.created_at.to_rfc3339(), began);
        }
    });
}

#[test]
fn members_that_do_not_fit_the_page_are_refused() {
    const ID: &str = "session_id must be a UUID";
    const USER: &str = "user_data.user_id must be a non-empty string";
    const TIME: &str = "timestamp must be Unix time in milliseconds";
    const MICROSECONDS: &str =
        "timestamp must be Unix time in milliseconds; this looks like microseconds or nanoseconds";
    run(async {
        let app = TestApp::new().await;
        let bare = SESSION.replace('-', "");
        // The valid body with this member replaced or removed.
        let with = |member: &str, value: &str| {
            let taken = [("session_id", format!("\"{SESSION}\"")), ("user_data", r#"{"user_id":"u"}"#.to_owned())];
            let members: Vec<String> = taken
                .into_iter()
                .filter(|(name, _)| *name != member)
                .chain((!value.is_empty()).then(|| (member, value.to_owned())))
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        for (member, value, message) in [
            ("session_id", "", "session_id is required"),
            ("session_id", "null", "session_id is required"),
            ("session_id", "\"\"", ID),
            ("session_id", "17", ID),
            ("session_id", "true", ID),
            ("session_id", "{}", ID),
            ("session_id", &format!("[\"{SESSION}\"]"), ID),
            ("session_id", "\"my-session-123\"", ID),
            ("session_id", "\"<session-id>\"", ID),
            ("session_id", &format!("\"{bare}\""), ID),
            ("session_id", &format!("\"{{{SESSION}}}\""), ID),
            ("session_id", &format!("\"urn:uuid:{SESSION}\""), ID),
            ("session_id", &format!("\" {SESSION}\""), ID),
            ("session_id", &format!("\"{SESSION}0\""), ID),
            ("user_data", "", "user_data is required"),
            ("user_data", "null", "user_data is required"),
            ("user_data", "\"user-anon-002\"", "user_data must be an object"),
            ("user_data", "[]", "user_data must be an object"),
            ("user_data", "1", "user_data must be an object"),
            ("user_data", "{}", USER),
            ("user_data", r#"{"user_id":""}"#, USER),
            ("user_data", r#"{"user_id":null}"#, USER),
            ("user_data", r#"{"user_id":17}"#, USER),
            ("user_data", r#"{"user_id":["u"]}"#, USER),
            ("user_data", r#"{"userId":"u"}"#, USER),
            ("metadata", "[]", "metadata must be an object"),
            ("metadata", "\"x\"", "metadata must be an object"),
            ("metadata", "false", "metadata must be an object"),
            ("timestamp", "-1", TIME),
            ("timestamp", "1714867200000.5", TIME),
            ("timestamp", "17e-1", TIME),
            ("timestamp", "\"1714867200000\"", TIME),
            ("timestamp", "\"2024-05-05T00:00:00Z\"", TIME),
            ("timestamp", "true", TIME),
            ("timestamp", "253402300800000", MICROSECONDS),
            ("timestamp", "9007199254740993", MICROSECONDS),
            ("timestamp", "9223372036854775808", TIME),
            ("client_config", "17", "client_config must be a string"),
            ("client_config", "{}", "client_config must be a string"),
        ] {
            let body = with(member, value);
            let reply = app.post(PATH, &body).send().await;
            assert_eq!(reply.status, 400, "{body}: {}", reply.text());
            assert_eq!(reply.text(), format!(r#"{{"error":"Invalid request body: {message}"}}"#), "{body}");
        }
        let twice = format!(r#"{{"session_id":"{SESSION}","session_id":"{SESSION}","user_data":{{"user_id":"u"}}}}"#);
        let reply = app.post(PATH, twice).send().await.expect(400);
        assert_eq!(reply.text(), r#"{"error":"Invalid request body: it names a member twice"}"#);
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn values_that_are_no_strings_are_kept_as_they_were_sent() {
    run(async {
        let app = TestApp::new().await;
        let user_data = HOSTILE_OBJECT.replacen('{', r#"{"user_id":"u","#, 1);
        let body =
            format!(r#"{{ "session_id" : "{SESSION}", "user_data" : {user_data}, "metadata" : {HOSTILE_OBJECT} }}"#);
        app.post(PATH, body).send().await.expect(200);
        let row = app.session_called(SESSION).await;
        assert_eq!(row.metadata.as_deref(), Some(HOSTILE_OBJECT));
        assert!(row.detail.contains(&format!(r#""user_data":{user_data}"#)), "{}", row.detail);
    });
}

#[test]
fn a_session_captured_again_keeps_what_came_first() {
    run(async {
        let app = TestApp::new().await;
        app.post(PATH, EXAMPLE).send().await.expect(200);
        let first = stored(&app.session_called(SESSION).await);
        for again in [
            EXAMPLE.to_owned(),
            capture(SESSION),
            EXAMPLE.replace("user-anon-002", "another").replace("hi-IN", "en-US"),
            format!(r#"{{"session_id":"{SESSION}","connection_type":"sdk","ip":"192.0.2.1"}}"#),
        ] {
            let reply = app.post(PATH, again).send().await.expect(200);
            assert_eq!(reply.text(), format!(r#"{{"session_id":"{SESSION}"}}"#));
        }
        assert_eq!(stored(&app.session_called(SESSION).await), first);
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn a_uuid_is_one_session_in_either_case_and_echoed_as_sent() {
    run(async {
        let app = TestApp::new().await;
        let upper = SESSION.to_uppercase();
        for sent in [upper.as_str(), SESSION] {
            assert_eq!(app.post(PATH, capture(sent)).send().await.expect(200).json()["session_id"], sent);
        }
        assert_eq!(app.sessions().await, 1);
        assert_eq!(app.session_called(SESSION).await.public_id, upper);
    });
}

#[test]
fn captures_of_one_session_at_once_make_one_session() {
    run(async {
        let app = TestApp::new().await;
        let bodies: Vec<String> = (0..32)
            .map(|n| json!({"session_id": SESSION, "user_data": {"user_id": format!("user-{n}")}}).to_string())
            .collect();
        let replies = join_all(bodies.iter().map(|body| app.post(PATH, body).send())).await;
        for reply in replies {
            assert_eq!(reply.expect(200).text(), format!(r#"{{"session_id":"{SESSION}"}}"#));
        }
        let row = app.session_called(SESSION).await;
        let user = row.user_id.clone().expect("a user");
        assert!(row.detail.contains(&format!(r#""user_data":{{"user_id":"{user}"}}"#)), "{}", row.detail);
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn organizations_do_not_share_sessions() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        app.post(PATH, EXAMPLE).as_org_header().send().await.expect(200);
        other.post(PATH, EXAMPLE.replace("user-anon-002", "theirs")).as_org_header().send().await.expect(200);
        assert_eq!(app.session_called(SESSION).await.user_id.as_deref(), Some("user-anon-002"));
        assert_eq!(other.session_called(SESSION).await.user_id.as_deref(), Some("theirs"));
    });
}

#[test]
fn the_uuid_of_another_dialects_session_is_free() {
    run(async {
        let app = TestApp::new().await;
        let sessions = "/v1/chat/chat/sessions";
        let chat = app.post(sessions, json!({"agentId": AGENT_ID}).to_string()).send().await.expect(201);
        let chat_id = chat.json()["id"].as_str().expect("an id").to_owned();
        let uuid = SessionId::from_agntix(&chat_id).expect("an Agntix id").to_string();
        app.post(PATH, capture(&uuid)).send().await.expect(200);
        assert_eq!(app.sessions().await, 2);
        assert_eq!(app.get(&format!("{sessions}/{chat_id}")).send().await.expect(200).text(), chat.text());
    });
}

/// One body per client version (docs/dialects/agnost.md), with what must be known of its session.
const CLIENTS: [(&str, &str, Option<&str>, Option<&str>); 7] = [
    (
        "agnost 0.1.13 (Python)",
        r#"{"session_id":"conv_abc","client_config":"conversation_sdk","connection_type":"sdk","ip":"","user_data":{"user_id":"ann","age":41,"tags":["a",null],"pro":true}}"#,
        Some("ann"),
        Some("sdk"),
    ),
    (
        "agnost 0.1.13 (Python), no user given",
        r#"{"session_id":"conv_abc","client_config":"conversation_sdk","connection_type":"sdk","ip":"","user_data":{"user_id":""}}"#,
        None,
        Some("sdk"),
    ),
    (
        "agnost 0.1.12 (Python)",
        r#"{"session_id":"conv_abc","client_config":"conversation_sdk","connection_type":"sdk","ip":"","user_data":{"userId":"ann"}}"#,
        Some("ann"),
        Some("sdk"),
    ),
    (
        "agnost-mcp 0.2.0 (Python)",
        r#"{"session_id":"conv_abc","client_config":"default","connection_type":"","ip":"","user_data":null,"tools":["add","sub"]}"#,
        None,
        None,
    ),
    (
        "agnostai 0.1.2 (npm)",
        r#"{"session_id":"conv_abc","client_config":"conversation_sdk","connection_type":"sdk","ip":"","user_data":{"user_id":17}}"#,
        Some("17"),
        Some("sdk"),
    ),
    (
        "agnost 0.2.1 (npm)",
        r#"{"session_id":"conv_abc","client_config":"unidentified_client","connection_type":"http","ip":"","tools":["add"]}"#,
        None,
        Some("http"),
    ),
    (
        "agnost-go",
        r#"{"session_id":"conv_abc","client_config":"mcp-go-client","connection_type":"","ip":""}"#,
        None,
        None,
    ),
];

#[test]
fn the_vendors_clients_are_taken_as_they_are() {
    run(async {
        for (client, body, user, kind) in CLIENTS {
            let app = TestApp::new().await;
            let reply = app.post(PATH, body).as_org_header().send().await;
            assert_eq!(reply.status, 200, "{client}: {}", reply.text());
            assert_eq!(reply.text(), r#"{"session_id":"conv_abc"}"#, "{client}");
            let row = app.session_called("conv_abc").await;
            assert_eq!((row.user_id.as_deref(), row.kind.as_deref()), (user, kind), "{client}");
        }
    });
}

#[test]
fn what_a_client_sends_is_kept_whole() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"session_id":"oauth:o:t","user_data":{"userId":{"id":1},"n":12345678901234567890},"client_config":{"v":2},"connection_type":"stdio","ip":"","tools":["b","a"]}"#;
        app.post(PATH, body).send().await.expect(200);
        let row = app.session_called("oauth:o:t").await;
        assert_eq!(row.user_id.as_deref(), Some(r#"{"id":1}"#));
        assert_eq!(
            row.detail,
            r#"{"received_at":"2026-04-29T09:00:00.000Z","user_data":{"userId":{"id":1},"n":12345678901234567890},"client_config":{"v":2},"connection_type":"stdio","ip":"","tools":["b","a"]}"#
        );
    });
}

#[test]
fn any_of_the_clients_own_members_gives_a_client_away() {
    run(async {
        let app = TestApp::new().await;
        for member in [r#""connection_type":"""#, r#""ip":null"#, r#""tools":[]"#] {
            let body = format!(r#"{{"session_id":"no UUID",{member}}}"#);
            let reply = app.post(PATH, &body).send().await;
            assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        }
        let reply = app.post(PATH, r#"{"session_id":"no UUID","client_config":"mine"}"#).send().await.expect(400);
        assert_eq!(reply.text(), r#"{"error":"Invalid request body: session_id must be a UUID"}"#);
    });
}

#[test]
fn a_deployment_may_hold_everybody_to_what_the_clients_do() {
    run(async {
        let app = observed().await;
        for (body, user) in [
            (r#"{"session_id":"1"}"#, None),
            (r#"{"session_id":"2","user_data":null,"client_config":7,"timestamp":"yesterday","metadata":null}"#, None),
            (r#"{"session_id":"3","user_data":{"userId":"ann"}}"#, Some("ann")),
            (r#"{"session_id":"4","user_data":{"user_id":null,"userId":"ann"}}"#, Some("ann")),
            (r#"{"session_id":"5","user_data":{"user_id":"","userId":"ann"}}"#, Some("ann")),
            (r#"{"session_id":"6","user_data":{"user_id":"ann","userId":"bob"}}"#, Some("ann")),
            (r#"{"session_id":"7","user_data":{"user_id":true}}"#, Some("true")),
        ] {
            let reply = app.post(PATH, body).as_org_header().send().await;
            assert_eq!(reply.status, 200, "{body}: {}", reply.text());
            let id = reply.json()["session_id"].as_str().expect("an id").to_owned();
            let row = app.session_called(&id).await;
            assert_eq!((row.user_id.as_deref(), row.created_at), (user, start()), "{body}");
        }
    });
}

#[test]
fn a_client_must_name_its_session() {
    run(async {
        let app = observed().await;
        let longest = "é".repeat(1_024);
        let reply = app.post(PATH, json!({"session_id": longest}).to_string()).send().await.expect(200);
        assert_eq!(reply.json()["session_id"], longest);
        for body in [
            json!({}),
            json!({"session_id": null}),
            json!({"session_id": ""}),
            json!({"session_id": 17}),
            json!({"session_id": ["x"]}),
            json!({"session_id": format!("{longest}x")}),
        ] {
            let reply = app.post(PATH, body.to_string()).send().await.expect(400);
            assert_eq!(
                reply.text(),
                r#"{"error":"Invalid request body: session_id must be a string of 1 to 2048 bytes"}"#
            );
        }
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn nul_is_mended_for_clients_alone_and_half_a_surrogate_pair_for_everyone() {
    run(async {
        let app = TestApp::new().await;
        let sent = r#"{"session_id":"a\u0000b","user_data":{"user_id":"x\ud83dy","k\u0000":"\ude00","whole":"\ud83d\ude00"},"metadata":{"m":"\\u0000"}EXTRA}"#;
        let reply = app.post(PATH, sent.replace("EXTRA", r#","ip":"""#)).send().await.expect(200);
        assert_eq!(reply.json()["session_id"], "a\u{fffd}b");
        let row = app.session_called("a\u{fffd}b").await;
        assert_eq!(row.user_id.as_deref(), Some("x\u{fffd}y"));
        assert_eq!(row.metadata.as_deref(), Some(r#"{"m":"\\u0000"}"#));
        let detail: Value = serde_json::from_str(&row.detail).expect("stored JSON");
        assert_eq!(
            detail["user_data"],
            json!({"user_id": "x\u{fffd}y", "k\u{fffd}": "\u{fffd}", "whole": "\u{1f600}"})
        );

        let valid = |text: &str| format!(r#"{{"session_id":"{SESSION}","user_data":{{"user_id":"{text}"}}}}"#);
        let fault = "the JSON contains the character U+0000, which cannot be stored";
        for text in [r"a\u0000b", r"\ud83d\u0000"] {
            let reply = app.post(PATH, valid(text)).send().await.expect(400);
            assert_eq!(reply.text(), format!(r#"{{"error":"Invalid request body: {fault}"}}"#));
        }
        assert_eq!(app.sessions().await, 1);
        app.post(PATH, valid(r"\ude00\ud83d")).send().await.expect(200);
        assert_eq!(app.session_called(SESSION).await.user_id.as_deref(), Some("\u{fffd}\u{fffd}"));

        let app = observed().await;
        app.post(PATH, valid(r"a\u0000b")).send().await.expect(200);
        assert_eq!(app.session_called(SESSION).await.user_id.as_deref(), Some("a\u{fffd}b"));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// A client gets its own session id back, whatever it is, and finds the same session again.
    #[test]
    fn any_text_names_a_session_for_a_client(name in "(?s).{1,40}") {
        run(async {
            let app = TestApp::new().await;
            let body = json!({"session_id": name, "ip": ""}).to_string();
            let mended = name.replace('\0', "\u{fffd}");
            for _ in 0..2 {
                assert_eq!(app.post(PATH, &body).send().await.expect(200).json()["session_id"], mended.as_str());
            }
            assert_eq!(app.session_called(&mended).await.public_id, mended);
            assert_eq!(app.sessions().await, 1);
        });
    }
}

fn is_envelope(reply: &Reply) -> bool {
    let body = reply.json();
    body["error"].is_string() && body.as_object().is_some_and(|members| members.len() == 1)
}

const ROUTE: CreateRoute<'static> = CreateRoute {
    path: PATH,
    taken: r#"{"session_id":"a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731","user_data":{"user_id":"u"},"pad":0}"#,
    is_envelope,
    mends_texts: false,
};

const CLIENTS_ROUTE: CreateRoute<'static> = CreateRoute {
    path: PATH,
    taken: r#"{"session_id":"conv_abc","connection_type":"sdk","ip":"","pad":0}"#,
    is_envelope,
    mends_texts: true,
};

#[test]
fn bad_bodies_are_refused_to_callers_and_clients() {
    run(async {
        bad_input::rejects_every_bad_body(&TestApp::new().await, &ROUTE).await;
        bad_input::rejects_every_bad_body(&TestApp::new().await, &CLIENTS_ROUTE).await;
        bad_input::rejects_every_bad_body(&observed().await, &CLIENTS_ROUTE).await;
    });
}

#[test]
fn credentials_are_those_of_the_table() {
    run(async {
        let table = Credentials { org_header: 200, bearer_api_key: 401, nothing: 400 };
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
fn the_organizations_id_must_be_a_uuid_of_one_that_may_capture() {
    run(async {
        let app = TestApp::new().await;
        let ask = |org: String| app.post(PATH, EXAMPLE).anonymous().header("x-org-id", org);
        let malformed = r#"{"error":"x-org-id must be your organization's UUID"}"#;
        let nobody = r#"{"error":"Invalid organization ID or organization not active"}"#;
        let uuid = app.org.to_string();
        for org in [
            "<org-id>".to_owned(),
            String::new(),
            uuid.replace('-', ""),
            format!("{{{uuid}}}"),
            format!("urn:uuid:{uuid}"),
            app.external_id.clone(),
        ] {
            let reply = ask(org.clone()).send().await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (400, malformed), "{org}");
            let reply = ask(org.clone()).header("x-api-key", &app.key).send().await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (400, malformed), "{org} beside a key");
        }
        assert_eq!(ask(OrgId(app.mint.uuid()).to_string()).send().await.expect(401).text(), nobody);
        assert_eq!(app.sessions().await, 0);
        ask(uuid.to_uppercase()).send().await.expect(200);

        admin().await.set_limits(app.org, false, RateLimits::default()).await.expect("a closed door");
        assert_eq!(ask(uuid.clone()).send().await.expect(401).text(), nobody);
        app.post(PATH, EXAMPLE).send().await.expect(200);

        admin().await.set_limits(app.org, true, RateLimits::default()).await.expect("an open door");
        ask(uuid.clone()).send().await.expect(200);
        admin().await.disable_organization(app.org, start()).await.expect("a disabled organization");
        assert_eq!(ask(uuid).send().await.expect(401).text(), nobody);
        app.post(PATH, EXAMPLE).send().await.expect(401);
    });
}

#[test]
fn a_spent_limit_is_429() {
    run(async { bad_input::holds_the_rate_limit(&TestApp::new().await, &ROUTE).await });
}

#[test]
fn whoever_makes_organizations_up_is_stopped() {
    run(async {
        let app = TestApp::with(Setup { per_address: NonZeroU32::new(2), ..Setup::default() }).await;
        let made_up = || app.post(PATH, EXAMPLE).anonymous().header("x-org-id", app.mint.uuid().to_string()).send();
        made_up().await.expect(401);
        made_up().await.expect(401);
        let over = made_up().await.expect(429);
        assert!(over.header("retry-after").is_some());
        app.post(PATH, EXAMPLE).send().await.expect(200);
    });
}

#[test]
fn unknown_paths_and_methods_are_answered_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        for (method, path, status, body) in [
            (Method::GET, PATH, 405, r#"{"error":"Method not allowed"}"#),
            (Method::PUT, PATH, 405, r#"{"error":"Method not allowed"}"#),
            (Method::DELETE, PATH, 405, r#"{"error":"Method not allowed"}"#),
            (Method::POST, "/api/v1/capture-session/", 404, r#"{"error":"Not found"}"#),
            (Method::POST, "/api/v1/capture-sessions", 404, r#"{"error":"Not found"}"#),
            (Method::POST, "/api/v1/capture-session/%ff", 404, r#"{"error":"Not found"}"#),
            (Method::POST, "/api/v1/capture-nothing", 404, r#"{"error":"Not found"}"#),
            (Method::GET, "/dashboard/api/nothing", 404, r#"{"error":"Not found"}"#),
            (Method::GET, "/dashboard/api", 404, r#"{"error":"Not found"}"#),
        ] {
            let reply = app.ask(method.clone(), path).anonymous().send().await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, body), "{method} {path}");
        }
    });
}

#[test]
fn a_page_of_any_origin_may_capture() {
    run(async {
        let app = TestApp::new().await;
        let preflight = app
            .ask(Method::OPTIONS, PATH)
            .anonymous()
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-org-id")
            .send()
            .await
            .expect(200);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("https://shop.example"));
        let allowed = |name: &str| preflight.header(name).unwrap_or_default().to_ascii_lowercase();
        assert!(allowed("access-control-allow-methods").contains("post"));
        for name in ["content-type", "x-org-id"] {
            assert!(allowed("access-control-allow-headers").contains(name), "{name}");
        }

        for (body, status) in [(EXAMPLE, 200), ("{}", 400)] {
            let reply = app.post(PATH, body).as_org_header().header("origin", "https://shop.example").send().await;
            assert_eq!(reply.expect(status).header("access-control-allow-origin"), Some("https://shop.example"));
        }
    });
}
