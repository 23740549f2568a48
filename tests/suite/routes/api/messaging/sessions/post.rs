//! `POST /api/messaging/sessions`.

use chrono::{SecondsFormat, TimeDelta};
use http::Method;
use insta::{allow_duplicates, assert_json_snapshot};
use serde_json::{Value, json};
use sessionary::dialects::messaging::{Bounds, GivenBounds, GivenDefaults};
use sessionary::domain::{AgentId, JsonText, NewAgent};

use crate::support::bad_input::{self, CreateRoute, Credentials};
use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, Reply, Setup, TestApp, admin, metadata_of, run, start};

const PATH: &str = "/api/messaging/sessions";

/// UTF-16 code units of the metadata.
const METADATA_LIMIT: usize = 10_240;

/// The request of the vendor's page, to the letter.
const EXAMPLE: &str = r#"{
  "agentId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
  "userId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
  "metadata": {
    "platform": "<string>",
    "username": "<string>",
    "discriminator": "<string>",
    "avatar": "<string>"
  },
  "timeoutConfig": {
    "timeoutMinutes": 722,
    "autoRenew": true,
    "maxDurationMinutes": 123,
    "warningThresholdMinutes": 123
  }
}"#;

/// A body with the page's agent and user, and these members besides.
fn body_with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{MESSAGING_AGENT_ID}"{comma}{members}}}"#)
}

async fn for_anyone() -> TestApp {
    TestApp::with(Setup { default_org: true, ..Setup::default() }).await
}

#[test]
fn the_example_of_the_page() {
    run(async {
        let app = for_anyone().await;
        let reply = app
            .post(PATH, EXAMPLE)
            .anonymous()
            .from("127.0.0.1")
            .header("host", "localhost:3000")
            .send()
            .await
            .expect(201);
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        assert_json_snapshot!(reply.json(), { ".sessionId" => "[session]", ".channelId" => "[channel]" }, @r#"
        {
          "sessionId": "[session]",
          "channelId": "[channel]",
          "agentId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
          "userId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
          "createdAt": "2026-04-29T09:00:00.000Z",
          "metadata": {
            "platform": "<string>",
            "username": "<string>",
            "discriminator": "<string>",
            "avatar": "<string>"
          },
          "expiresAt": "2026-04-29T21:02:00.000Z",
          "timeoutConfig": {
            "timeoutMinutes": 722,
            "autoRenew": true,
            "maxDurationMinutes": 722,
            "warningThresholdMinutes": 123
          }
        }
        "#);
        assert_ne!(reply.member("sessionId"), reply.member("channelId"));
        for member in ["sessionId", "channelId"] {
            let text = reply.member(member);
            let id = uuid::Uuid::try_parse(&text).unwrap_or_else(|error| panic!("{member} {text}: {error}"));
            assert_eq!((id.to_string(), id.get_version_num()), (text, 4), "{member}");
        }
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn an_agent_and_a_user_are_enough() {
    run(async {
        let app = TestApp::new().await;
        for members in ["", r#""timeoutConfig":{}"#, r#""metadata":null,"timeoutConfig":null,"unknown":{"a":1}"#] {
            let reply = app.post(PATH, body_with(members)).send().await.expect(201);
            allow_duplicates! {
                assert_json_snapshot!(reply.json(), { ".sessionId" => "[session]", ".channelId" => "[channel]" }, @r#"
                {
                  "sessionId": "[session]",
                  "channelId": "[channel]",
                  "agentId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
                  "userId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
                  "createdAt": "2026-04-29T09:00:00.000Z",
                  "metadata": {},
                  "expiresAt": "2026-04-29T09:30:00.000Z",
                  "timeoutConfig": {
                    "timeoutMinutes": 30,
                    "autoRenew": true,
                    "maxDurationMinutes": 720,
                    "warningThresholdMinutes": 5
                  }
                }
                "#);
            }
        }
    });
}

#[test]
fn the_same_agent_and_user_twice_are_two_sessions() {
    run(async {
        let app = TestApp::new().await;
        let one = app.post(PATH, EXAMPLE).send().await.expect(201);
        let two = app.post(PATH, EXAMPLE).send().await.expect(201);
        assert_ne!(one.member("sessionId"), two.member("sessionId"));
        assert_ne!(one.member("channelId"), two.member("channelId"));
        assert_eq!(app.sessions().await, 2);
    });
}

/// The response to a body that the rules of sessions reject.
fn validation_error(message: &str, details: &Value) -> String {
    let error = json!({
        "code": "VALIDATION_ERROR",
        "message": message,
        "timestamp": "2026-04-29T09:00:00.000Z",
        "details": details,
    });
    json!({ "error": error }).to_string()
}

#[test]
fn both_names_are_missed_when_one_is() {
    run(async {
        let app = TestApp::new().await;
        let expected = validation_error(
            "Missing required fields: agentId, userId",
            &json!({ "missingFields": ["agentId", "userId"] }),
        );
        let id = MESSAGING_AGENT_ID;
        let mut bodies = vec!["{}".to_owned(), "[]".to_owned(), String::new()];
        bodies.push(format!(r#"{{"agentId":"{id}"}}"#));
        bodies.push(format!(r#"{{"userId":"{id}"}}"#));
        bodies.push(format!(r#"{{"agentid":"{id}","userid":"{id}"}}"#));
        for other in ["null", "17", "true", "[]", "{}", &format!(r#"["{id}"]"#)] {
            bodies.push(format!(r#"{{"agentId":{other},"userId":"{id}"}}"#));
            bodies.push(format!(r#"{{"agentId":"{id}","userId":{other}}}"#));
        }
        for body in bodies {
            let reply = app.post(PATH, body.clone()).send().await;
            assert_eq!(reply.status, 400, "{body}: {}", reply.text());
            assert_eq!(reply.text(), expected, "{body}");
        }
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn what_is_no_uuid_is_named() {
    run(async {
        let app = TestApp::new().await;
        let id = MESSAGING_AGENT_ID;
        for bad in [
            "",
            " ",
            "x",
            "<string>",
            "{3c90c3cc-0d44-4b50-8888-8dd25736052a}",
            "urn:uuid:3c90c3cc-0d44-4b50-8888-8dd25736052a",
            "3c90c3cc0d444b5088888dd25736052a",
            "3c90c3cc-0d44-4b50-8888-8dd25736052",
            "3c90c3cc-0d44-4b50-8888-8dd25736052a0",
            "3c90c3cc-0d44-4b50-8888-8dd25736052g",
            "3c90c3cc-0d444-b50-8888-8dd25736052a",
            " 3c90c3cc-0d44-4b50-8888-8dd2573605 ",
            "3c90c3cc-0d44-4b50-8888-8dd257360５",
        ] {
            for (field, agent, user) in [("agentId", bad, id), ("userId", id, bad), ("agentId", bad, "y")] {
                let reply = app.post(PATH, json!({ "agentId": agent, "userId": user }).to_string()).send().await;
                assert_eq!(reply.status, 400, "{field} {bad}: {}", reply.text());
                let expected = validation_error(
                    &format!("Invalid UUID format for field '{field}'"),
                    &json!({ "providedValue": bad, "expectedFormat": "UUID v4" }),
                );
                assert_eq!(reply.text(), expected, "{field} {bad}");
            }
        }
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn users_have_uuids_of_any_version_in_any_case() {
    run(async {
        let app = TestApp::new().await;
        for user in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "11111111-2222-3333-4444-555555555555",
            "0191D2A4-0000-7000-8000-00000000ABCD",
            "3C90c3cc-0d44-4b50-8888-8dd25736052A",
        ] {
            let body = json!({ "agentId": MESSAGING_AGENT_ID, "userId": user }).to_string();
            let reply = app.post(PATH, body).send().await.expect(201);
            assert_eq!(reply.member("userId"), user);
            let found = app.get(&format!("{PATH}/{}", reply.member("sessionId"))).send().await.expect(200);
            assert_eq!(found.member("userId"), user);
        }
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
        let too_much = metadata_of(METADATA_LIMIT + 1);
        for (agent, metadata) in [
            (theirs.id.to_string(), "{}"),
            ("00000000-0000-0000-0000-000000000000".to_owned(), "{}"),
            ("11111111-2222-3333-4444-555555555555".to_owned(), "{}"),
            // Agents are looked up by their text: another case is another agent.
            (MESSAGING_AGENT_ID.to_uppercase(), "{}"),
            (AGENT_ID.replace('a', "A"), "{}"),
            // The agent is looked for before the metadata is measured.
            ("00000000-0000-0000-0000-000000000001".to_owned(), too_much.as_str()),
        ] {
            let body = format!(r#"{{"agentId":"{agent}","userId":"{AGENT_ID}","metadata":{metadata}}}"#);
            let reply = app.post(PATH, body).send().await;
            assert_eq!(reply.status, 404, "{agent}: {}", reply.text());
            let error = json!({
                "code": "AGENT_NOT_FOUND",
                "message": format!("Agent with ID '{agent}' not found"),
                "timestamp": "2026-04-29T09:00:00.000Z",
            });
            assert_eq!(reply.text(), json!({ "error": error }).to_string());
        }
        assert_eq!((app.sessions().await, other.sessions().await), (0, 0));
    });
}

#[test]
fn metadata_ends_at_its_limit() {
    run(async {
        let app = TestApp::new().await;
        let metadata = metadata_of(METADATA_LIMIT);
        let reply = app.post(PATH, body_with(&format!(r#""metadata":{metadata}"#))).send().await.expect(201);
        let sent: Value = serde_json::from_str(&metadata).expect("metadata of the test's own");
        assert_eq!(reply.json()["metadata"], sent);
        // Units, not bytes: 20 kB of these fit.
        let wide = json!({ "a": "é".repeat(METADATA_LIMIT - r#"{"a":""}"#.len()) });
        app.post(PATH, body_with(&format!(r#""metadata":{wide}"#))).send().await.expect(201);

        let list = json!(["x".repeat(METADATA_LIMIT - r#"[""]"#.len() + 1)]).to_string();
        for over in [metadata_of(METADATA_LIMIT + 1), list] {
            let reply = app.post(PATH, body_with(&format!(r#""metadata":{over}"#))).send().await.expect(400);
            let over: Value = serde_json::from_str(&over).expect("metadata of the test's own");
            let reason = "Metadata exceeds maximum size of 10240 bytes";
            let details = json!({ "reason": reason, "providedMetadata": over });
            let expected: Value =
                serde_json::from_str(&validation_error(&format!("Invalid metadata: {reason}"), &details))
                    .expect("an error of the test's own");
            assert_eq!(reply.json(), expected);
        }
        assert_eq!(app.sessions().await, 2);
    });
}

#[test]
fn metadata_of_every_kind_comes_back() {
    run(async {
        let app = TestApp::new().await;
        for (sent, kept) in [
            ("null", "{}"),
            ("false", "{}"),
            (r#""""#, "{}"),
            ("0", "{}"),
            ("-0", "{}"),
            ("0.0e5", "{}"),
            ("{}", "{}"),
            ("[]", "[]"),
            ("true", "true"),
            ("17", "17"),
            (r#""text""#, r#""text""#),
            ("[ 1, { } ]", "[1,{}]"),
            (
                r#"{ "z": 12345678901234567890123, "a": { "b": [ null ] } }"#,
                r#"{"z":12345678901234567890123,"a":{"b":[null]}}"#,
            ),
        ] {
            let reply = app.post(PATH, body_with(&format!(r#""metadata":{sent}"#))).send().await.expect(201);
            assert!(reply.text().contains(&format!(r#""metadata":{kept},"expiresAt""#)), "{sent}: {}", reply.text());
            let found = app.get(&format!("{PATH}/{}", reply.member("sessionId"))).send().await.expect(200);
            assert!(found.text().contains(&format!(r#""metadata":{kept},"expiresAt""#)), "{sent}: {}", found.text());
        }
    });
}

/// Creates a session with this `timeoutConfig`, and compares the response, and the session that is read afterwards,
/// with the expected ones.
async fn settles(app: &TestApp, sent: &str, expected: &str, expires_after: TimeDelta) {
    let reply = app.post(PATH, body_with(&format!(r#""timeoutConfig":{sent}"#))).send().await;
    assert_eq!(reply.status, 201, "{sent}: {}", reply.text());
    let at = (start() + expires_after).to_rfc3339_opts(SecondsFormat::Millis, true);
    let end = format!(r#""expiresAt":"{at}","timeoutConfig":{expected}"#);
    assert!(reply.text().ends_with(&format!("{end}}}")), "{sent}: {}", reply.text());
    let found = app.get(&format!("{PATH}/{}", reply.member("sessionId"))).send().await;
    assert_eq!(found.status, 200, "{sent}: {}", found.text());
    assert!(found.text().contains(&end), "{sent}: {}", found.text());
}

fn timeouts(timeout: &str, auto_renew: &str, max: &str, warning: &str) -> String {
    format!(
        r#"{{"timeoutMinutes":{timeout},"autoRenew":{auto_renew},"maxDurationMinutes":{max},"warningThresholdMinutes":{warning}}}"#
    )
}

#[test]
fn timeouts_are_read_as_javascript_reads_numbers_and_clamped() {
    run(async {
        let app = TestApp::new().await;
        for (sent, kept, seconds) in [
            ("null", "5", 300),
            (r#""""#, "5", 300),
            (r#""  ""#, "5", 300),
            ("false", "5", 300),
            ("[]", "5", 300),
            ("true", "5", 300),
            (r#""60""#, "60", 3_600),
            (r#"" 12 ""#, "12", 720),
            (r#""0x10""#, "16", 960),
            (r#""010""#, "10", 600),
            ("[60]", "60", 3_600),
            ("{}", "30", 1_800),
            (r#"{"valueOf":60}"#, "30", 1_800),
            (r#""abc""#, "30", 1_800),
            (r#""1,000""#, "30", 1_800),
            ("1e999", "30", 1_800),
            ("-1e999", "30", 1_800),
            (r#""Infinity""#, "30", 1_800),
            ("7.5", "7.5", 450),
            ("6e1", "60", 3_600),
            ("0", "5", 300),
            ("-5", "5", 300),
            ("4", "5", 300),
            ("5", "5", 300),
            ("720", "720", 43_200),
            // Past the default duration, which ends the session earlier.
            ("1440", "1440", 43_200),
            ("1441", "1440", 43_200),
            ("9007199254740993", "1440", 43_200),
            ("99999999999999999999999", "1440", 43_200),
        ] {
            let sent = format!(r#"{{"timeoutMinutes":{sent}}}"#);
            settles(&app, &sent, &timeouts(kept, "true", "720", "5"), TimeDelta::seconds(seconds)).await;
        }
    });
}

#[test]
fn the_longest_duration_is_clamped_only_when_it_is_sent() {
    run(async {
        let app = TestApp::new().await;
        for (timeout, sent, kept, minutes) in [
            (722, "123", "722", 722),
            (30, "0", "30", 30),
            (30, "-1", "30", 30),
            (30, "null", "30", 30),
            (30, "45.5", "45.5", 30),
            (30, "2880", "2880", 30),
            (30, "2881", "2880", 30),
            (1_440, "2880", "2880", 1_440),
            (1_440, r#""abc""#, "1440", 1_440),
            (30, r#""abc""#, "720", 30),
            (30, "1e999", "720", 30),
        ] {
            let sent = format!(r#"{{"timeoutMinutes":{timeout},"maxDurationMinutes":{sent}}}"#);
            let kept = timeouts(&timeout.to_string(), "true", kept, "5");
            settles(&app, &sent, &kept, TimeDelta::minutes(minutes)).await;
        }
    });
}

#[test]
fn a_warning_has_a_lower_bound_and_no_upper() {
    run(async {
        let app = TestApp::new().await;
        for (sent, kept) in [
            ("0", "1"),
            ("-3", "1"),
            ("null", "1"),
            ("0.5", "1"),
            ("1.5", "1.5"),
            ("100000", "100000"),
            (r#""x""#, "5"),
            ("{}", "5"),
            (r#""Infinity""#, "5"),
        ] {
            let sent = format!(r#"{{"warningThresholdMinutes":{sent}}}"#);
            settles(&app, &sent, &timeouts("30", "true", "720", kept), TimeDelta::minutes(30)).await;
        }
    });
}

#[test]
fn auto_renew_comes_back_as_it_was_sent() {
    run(async {
        let app = TestApp::new().await;
        for sent in [
            "true",
            "false",
            "null",
            "0",
            "1",
            r#""false""#,
            r#""yes""#,
            r#""""#,
            "[]",
            r#"{"a":[12345678901234567890]}"#,
        ] {
            let kept = timeouts("30", sent, "720", "5");
            settles(&app, &format!(r#"{{"autoRenew":{sent}}}"#), &kept, TimeDelta::minutes(30)).await;
        }
    });
}

#[test]
fn a_timeout_config_that_is_none_is_ignored() {
    run(async {
        let app = TestApp::new().await;
        for sent in
            ["null", r#""60""#, "60", "[]", "[60]", "false", "true", "{}", r#"{"timeout":60,"timeoutminutes":60}"#]
        {
            settles(&app, sent, &timeouts("30", "true", "720", "5"), TimeDelta::minutes(30)).await;
        }
    });
}

#[test]
fn a_member_named_twice_is_refused() {
    run(async {
        let app = TestApp::new().await;
        for members in [r#""metadata":1,"metadata":2"#, r#""timeoutConfig":{"autoRenew":true,"autoRenew":false}"#] {
            let reply = app.post(PATH, body_with(members)).send().await.expect(400);
            assert_eq!(
                reply.text(),
                r#"{"success":false,"error":{"message":"the body names a member twice","code":400}}"#
            );
        }
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn faults_of_the_body_are_worded_by_the_server_around_the_sessions() {
    run(async {
        let app = TestApp::new().await;
        let huge = "x".repeat(2 * 1024 * 1024 + 1);
        for (body, status, message) in [
            ("{", 400, "the body is not valid JSON"),
            (r#"{"metadata":"\u0000"}"#, 400, "the JSON contains the character U+0000, which cannot be stored"),
            (r#"{"metadata":1e999999}"#, 400, "the JSON contains a number that is too large or too long"),
            (&huge, 413, "request entity too large"),
        ] {
            let reply = app.post(PATH, body).send().await;
            assert_eq!(reply.status, status, "{message}: {}", reply.text());
            let expected = json!({ "success": false, "error": { "message": message, "code": status } });
            assert_eq!(reply.text(), expected.to_string());
        }
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn a_form_is_read_as_nothing_and_other_types_are_refused() {
    run(async {
        let app = TestApp::new().await;
        let send = |content_type: &'static str| {
            app.post(PATH, "").without("content-type").header("content-type", content_type).body(EXAMPLE).send()
        };
        for form in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let error = send(form).await.expect(400).json();
            assert_eq!(error["error"]["message"], "Missing required fields: agentId, userId", "{form}");
        }
        for other in ["text/plain", "application/vnd.api+json", ""] {
            assert_eq!(
                send(other).await.expect(400).text(),
                r#"{"success":false,"error":{"code":"INVALID_CONTENT_TYPE","message":"Invalid or missing Content-Type header"}}"#,
                "{other}"
            );
        }
        send("Application/JSON; Charset=\"UTF-8\"").await.expect(201);
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn paths_match_in_any_case_and_with_a_slash_at_the_end() {
    run(async {
        let app = TestApp::new().await;
        for path in [
            "/api/messaging/sessions/",
            "/API/Messaging/Sessions",
            "/Api/MESSAGING/sessions/",
            "/api/messaging/sessions?a=B",
        ] {
            app.post(path, EXAMPLE).send().await.expect(201);
        }
        assert_eq!(app.sessions().await, 4);
    });
}

#[test]
fn unknown_routes_and_methods_answer_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        for (method, path) in [
            (Method::GET, "/api/messaging"),
            (Method::GET, "/API/MESSAGING/"),
            (Method::POST, "/api/messaging/nothing"),
            (Method::POST, "/api/messaging/sessions//"),
            (Method::PUT, PATH),
            (Method::PATCH, PATH),
            (Method::DELETE, PATH),
            (Method::POST, "/api/messaging/sessions/health"),
            (Method::POST, "/api/messaging/sessions/x"),
            (Method::PUT, "/api/messaging/sessions/x"),
            (Method::PATCH, "/api/messaging/sessions/x"),
            (Method::GET, "/api/messaging/sessions/x/nothing"),
        ] {
            let reply = app.ask(method.clone(), path).json("{}").send().await;
            assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text());
            assert_eq!(
                reply.text(),
                r#"{"success":false,"error":{"message":"API endpoint not found","code":404}}"#,
                "{method} {path}"
            );
        }
    });
}

/// Sessions, the server around them, and a missing key each have an envelope of their own.
fn is_envelope(reply: &Reply) -> bool {
    let body = reply.json();
    if reply.status == 401 {
        return body == json!({ "error": "API key required", "message": "Missing or invalid X-API-KEY header" });
    }
    let error = &body["error"];
    let of_a_session =
        body.get("success").is_none() && error["code"].is_string() && error["timestamp"] == "2026-04-29T09:00:00.000Z";
    let of_the_server =
        body["success"] == false && (error["code"].is_string() || error["code"] == reply.status.as_u16());
    error["message"].is_string() && error.get("stack").is_none() && (of_a_session || of_the_server)
}

const ROUTE: CreateRoute<'static> = CreateRoute {
    path: PATH,
    taken: r#"{"agentId":"3c90c3cc-0d44-4b50-8888-8dd25736052a","userId":"3c90c3cc-0d44-4b50-8888-8dd25736052a","pad":0}"#,
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
        let table = |nothing| Credentials { org_header: 401, bearer_api_key: 401, nothing };
        bad_input::holds_the_table_of_credentials(&TestApp::new().await, &ROUTE, &table(401)).await;
        bad_input::holds_the_table_of_credentials(&for_anyone().await, &ROUTE, &table(201)).await;
    });
}

#[test]
fn a_default_organization_stands_in_for_calls_from_this_machine_only() {
    run(async {
        let app = for_anyone().await;
        let post = || app.post(PATH, EXAMPLE).anonymous().header("host", "localhost");
        let ask = |header: &str, value: &str| post().from("127.0.0.1").without(header).header(header, value);
        for (header, value) in [
            ("host", "localhost:3000"),
            ("host", "LOCALHOST"),
            ("host", "127.0.0.1:3000"),
            ("host", "[::1]:3000"),
            ("origin", "http://localhost:5173"),
            ("origin", "http://127.0.0.1:3000"),
            ("origin", "http://[::1]"),
        ] {
            let reply = ask(header, value).send().await;
            assert_eq!(reply.status, 201, "{header}: {value}: {}", reply.text());
        }
        for address in ["::1", "127.9.9.9", "::ffff:127.0.0.1"] {
            post().from(address).send().await.expect(201);
        }
        let taken = app.sessions().await;
        for (header, value) in [
            ("host", "sessionary.example.com"),
            ("host", "localhost.example.com"),
            ("host", "localhost."),
            ("host", "user@localhost"),
            ("host", "localhost:3000:3000"),
            ("host", "192.0.2.1:3000"),
            ("origin", "https://example.com"),
            ("origin", "http://localhost.example.com"),
            ("origin", "http://127.0.0.1.example.com"),
            ("origin", "http://localhost:3000/path"),
            ("origin", "localhost"),
            ("origin", "null"),
            ("origin", ""),
            // An unknown proxy on this machine, whatever client it reports.
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-host", "localhost"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("cf-connecting-ip", "198.51.100.7"),
            ("true-client-ip", "198.51.100.7"),
            ("via", "1.1 proxy"),
        ] {
            let reply = ask(header, value).send().await;
            assert_eq!(reply.status, 401, "{header}: {value}: {}", reply.text());
            assert!(is_envelope(&reply), "{}", reply.text());
            // With a key of its own it is an ordinary call.
            let reply = app.post(PATH, EXAMPLE).from("127.0.0.1").header(header, value).send().await;
            assert_eq!(reply.status, 201, "{header}: {value}: {}", reply.text());
        }
        let both = ask("origin", "http://localhost:3000").header("origin", "https://example.com");
        both.send().await.expect(401);
        ask("host", "localhost").header("host", "localhost").send().await.expect(401);
        post().from("127.0.0.1").without("host").send().await.expect(401);
        let absolute = |url: &str| {
            let url = format!("{url}{PATH}");
            app.post(&url, EXAMPLE).anonymous().from("127.0.0.1").header("host", "localhost").send()
        };
        absolute("http://example.com").await.expect(401);
        for address in ["198.51.100.7", "10.0.0.1", "2001:db8::1"] {
            post().from(address).send().await.expect(401);
        }
        assert_eq!(app.sessions().await, taken + 22);
        absolute("http://localhost:3000").await.expect(201);
    });
}

#[test]
fn behind_a_trusted_proxy_the_client_decides_who_is_on_this_machine() {
    run(async {
        let app = TestApp::with(Setup {
            default_org: true,
            trusted_proxies: &["127.0.0.1/32", "10.0.0.0/8"],
            ..Setup::default()
        })
        .await;
        for (peer, forwarded, status) in [
            ("127.0.0.1", Some("198.51.100.7"), 401),
            ("10.0.0.1", Some("127.0.0.2, 198.51.100.7"), 401),
            ("10.0.0.1", Some("198.51.100.7, 127.0.0.1"), 401),
            ("127.0.0.1", Some("127.0.0.2"), 201),
            ("127.0.0.1", Some("unknown"), 201),
            ("10.0.0.1", Some("unknown"), 401),
            // It does not report its client.
            ("127.0.0.1", None, 401),
            ("127.0.0.2", None, 201),
            ("127.0.0.2", Some("127.0.0.1"), 401),
        ] {
            let ask = app.post(PATH, EXAMPLE).anonymous().from(peer).header("host", "localhost");
            let ask = match forwarded {
                Some(text) => ask.header("x-forwarded-for", text),
                None => ask,
            };
            assert_eq!(ask.send().await.status, status, "{peer} for {forwarded:?}");
        }
    });
}

#[test]
fn a_spent_limit_is_429() {
    run(async { bad_input::holds_the_rate_limit(&TestApp::new().await, &ROUTE).await });
}

#[test]
fn answers_say_where_the_limit_stands() {
    run(async {
        let app = TestApp::new().await;
        app.limit_to(2).await;
        for remaining in ["1", "0"] {
            let reply = app.post(PATH, EXAMPLE).send().await.expect(201);
            assert_eq!(reply.header("ratelimit-limit"), Some("2"));
            assert_eq!(reply.header("ratelimit-remaining"), Some(remaining));
            assert!(reply.header("ratelimit-reset").is_some());
            assert_eq!(reply.header("ratelimit-policy"), Some("2;w=60"));
        }
        let reply = app.post(PATH, EXAMPLE).send().await.expect(429);
        assert_eq!(
            reply.text(),
            r#"{"success":false,"error":{"code":"RATE_LIMIT_EXCEEDED","message":"Too many requests. Please try again later."}}"#
        );
        assert_eq!(reply.header("ratelimit-remaining"), Some("0"));
        assert_eq!(reply.header("ratelimit-reset"), reply.header("retry-after"));
    });
}

#[test]
fn an_agent_that_is_switched_off_or_deleted_is_not_found() {
    run(async {
        let app = TestApp::new().await;
        let (disabled, deleted) = (app.add_agent().await.0, app.add_agent().await.0);
        let body = |agent: AgentId| format!(r#"{{"agentId":"{agent}","userId":"{AGENT_ID}"}}"#);
        for agent in [disabled, deleted] {
            app.post(PATH, body(agent)).send().await.expect(201);
        }
        app.disable_agent(disabled).await;
        app.delete_agent(deleted).await;
        for agent in [disabled, deleted] {
            let error = app.post(PATH, body(agent)).send().await.expect(404).json()["error"].clone();
            assert_eq!(error["code"], "AGENT_NOT_FOUND");
            assert_eq!(error["message"], format!("Agent with ID '{agent}' not found"));
        }
        assert_eq!(app.sessions().await, 2);
    });
}

/// Returns the settings of a session with this agent that sets nothing itself.
async fn settings_with(app: &TestApp, agent: AgentId) -> Value {
    let body = format!(r#"{{"agentId":"{agent}","userId":"{AGENT_ID}"}}"#);
    app.post(PATH, body).send().await.expect(201).json()["timeoutConfig"].clone()
}

#[test]
fn a_session_goes_before_its_agent_and_the_agent_before_the_deployment() {
    run(async {
        let given = GivenBounds { default_timeout: Some("40"), max_timeout: Some("100"), ..GivenBounds::default() };
        let messaging = Bounds::new(&given, &GivenDefaults::default());
        let app = TestApp::with(Setup { messaging, ..Setup::default() }).await;
        let own = r#"{"messaging":{"SESSION_TIMEOUT_MINUTES":"20","SESSION_AUTO_RENEW":"false"}}"#;
        let agent = AgentId(app.mint.uuid());
        let new = NewAgent {
            settings: JsonText::stored(own.to_owned()).expect("JSON"),
            ..NewAgent::named(agent, agent.to_string().parse().expect("a key"), "Short of patience".to_owned(), start())
        };
        admin().await.create_agent(app.org, &new).await.expect("an agent");

        let config = |timeout: u32, auto_renew: bool| json!({ "timeoutMinutes": timeout, "autoRenew": auto_renew, "maxDurationMinutes": 720, "warningThresholdMinutes": 5 });
        let plain: AgentId = MESSAGING_AGENT_ID.parse().expect("a UUID");
        assert_eq!(settings_with(&app, plain).await, config(40, true));
        assert_eq!(settings_with(&app, agent).await, config(20, false));
        for (sent, expected) in [
            (r#"{"timeoutMinutes":500}"#, config(100, false)),
            // A value that is not a number becomes the deployment's default, whatever the agent's.
            (r#"{"timeoutMinutes":"abc","autoRenew":true}"#, config(40, true)),
        ] {
            let body = format!(r#"{{"agentId":"{agent}","userId":"{AGENT_ID}","timeoutConfig":{sent}}}"#);
            let session = app.post(PATH, body).send().await.expect(201);
            assert_eq!(session.json()["timeoutConfig"], expected, "{sent}");
            // A PATCH goes back to the agent's.
            let path = format!("{PATH}/{}/timeout", session.member("sessionId"));
            let patched = app.ask(Method::PATCH, &path).json("{}").send().await.expect(200).json();
            assert_eq!(patched["timeoutConfig"], config(20, false));
        }
    });
}
