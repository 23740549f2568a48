//! `GET /api/messaging/sessions/{id}`.

use chrono::TimeDelta;
use http::Method;
use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, Setup, TestApp, admin, run};

const PATH: &str = "/api/messaging/sessions";

/// Creates a session with these members besides agent and user; gives back its id.
async fn create(app: &TestApp, members: &str) -> String {
    let body = format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}","metadata":{{}}{members}}}"#);
    app.post(PATH, body).send().await.expect(201).member("sessionId")
}

fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

#[test]
fn a_session_tells_where_it_stands() {
    run(async {
        let app = TestApp::new().await;
        let body = format!(
            r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}","metadata":{{"platform":"discord"}},"timeoutConfig":{{"timeoutMinutes":60,"autoRenew":"yes"}}}}"#
        );
        let created = app.post(PATH, body).send().await.expect(201);
        app.clock.advance(TimeDelta::milliseconds(1_500));
        let found = app.get(&path_of(&created.member("sessionId"))).send().await.expect(200);
        assert_eq!(found.header("content-type"), Some("application/json; charset=utf-8"));
        assert_json_snapshot!(found.json(), { ".sessionId" => "[session]", ".channelId" => "[channel]" }, @r#"
        {
          "sessionId": "[session]",
          "channelId": "[channel]",
          "agentId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
          "userId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
          "createdAt": "2026-04-29T09:00:00.000Z",
          "lastActivity": "2026-04-29T09:00:00.000Z",
          "metadata": {
            "platform": "discord"
          },
          "expiresAt": "2026-04-29T10:00:00.000Z",
          "timeoutConfig": {
            "timeoutMinutes": 60,
            "autoRenew": "yes",
            "maxDurationMinutes": 720,
            "warningThresholdMinutes": 5
          },
          "renewalCount": 0,
          "timeRemaining": 3598500,
          "isNearExpiration": false
        }
        "#);
        let (created, found) = (created.json(), found.json());
        for member in
            ["sessionId", "channelId", "agentId", "userId", "createdAt", "metadata", "expiresAt", "timeoutConfig"]
        {
            assert_eq!(found[member], created[member], "{member}");
        }
    });
}

#[test]
fn metadata_keeps_its_order_and_its_numbers() {
    run(async {
        let app = TestApp::new().await;
        let metadata =
            r#"{"z":12345678901234567890123,"a":9007199254740993,"m":{"y":1.10,"b":-0,"é":1e400},"l":[" x ",null]}"#;
        let body = format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}","metadata":{metadata}}}"#);
        let created = app.post(PATH, body).send().await.expect(201).text();
        assert!(created.contains(&format!(r#""metadata":{metadata},"#)), "{created}");
        let rows = admin().await.sessions(app.org, None, None, 2).await.expect("sessions");
        let [row] = rows.as_slice() else { panic!("one session, not {}", rows.len()) };
        let found = app.get(&path_of(&row.public_id)).send().await.expect(200).text();
        assert!(found.contains(&format!(r#""metadata":{metadata},"#)), "{found}");
    });
}

#[test]
fn an_expired_session_is_410_once_and_404_from_then_on() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#","timeoutConfig":{"timeoutMinutes":5}"#).await;
        app.clock.advance(TimeDelta::minutes(5) - TimeDelta::milliseconds(1));
        let last = app.get(&path_of(&id)).send().await.expect(200).json();
        assert_eq!((&last["timeRemaining"], &last["isNearExpiration"]), (&json!(1), &json!(true)));

        app.clock.advance(TimeDelta::milliseconds(1));
        let gone = app.get(&path_of(&id)).send().await.expect(410);
        let error = json!({
            "code": "SESSION_EXPIRED",
            "message": format!("Session '{id}' expired at 2026-04-29T09:05:00.000Z"),
            "timestamp": "2026-04-29T09:05:00.000Z",
        });
        assert_eq!(gone.text(), json!({ "error": error }).to_string());
        for _ in 0..2 {
            let absent = app.get(&path_of(&id)).send().await.expect(404);
            let error = json!({
                "code": "SESSION_NOT_FOUND",
                "message": format!("Session with ID '{id}' not found"),
                "timestamp": "2026-04-29T09:05:00.000Z",
            });
            assert_eq!(absent.text(), json!({ "error": error }).to_string());
        }
        // Expiry is a state: the row stays.
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn of_readers_at_once_one_learns_of_the_expiry() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#","timeoutConfig":{"timeoutMinutes":5}"#).await;
        app.clock.advance(TimeDelta::minutes(6));
        let path = path_of(&id);
        let replies = futures::future::join_all((0..16).map(|_| app.get(&path).send())).await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        let mut expected = [404; 16];
        expected[15] = 410;
        assert_eq!(statuses, expected);
    });
}

#[test]
fn the_longest_duration_ends_a_session_before_its_timeout() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#","timeoutConfig":{"timeoutMinutes":1440}"#).await;
        app.clock.advance(TimeDelta::minutes(720) - TimeDelta::milliseconds(1));
        app.get(&path_of(&id)).send().await.expect(200);
        app.clock.advance(TimeDelta::milliseconds(1));
        app.get(&path_of(&id)).send().await.expect(410);
    });
}

#[test]
fn a_session_is_near_its_expiration_from_its_threshold_on() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#","timeoutConfig":{"timeoutMinutes":30,"warningThresholdMinutes":7.5}"#).await;
        let standing = async || {
            let session = app.get(&path_of(&id)).send().await.expect(200).json();
            (session["timeRemaining"].clone(), session["isNearExpiration"].clone())
        };
        assert_eq!(standing().await, (json!(1_800_000), json!(false)));
        app.clock.advance(TimeDelta::milliseconds(1_349_999));
        assert_eq!(standing().await, (json!(450_001), json!(false)));
        app.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(standing().await, (json!(450_000), json!(true)));
    });
}

#[test]
fn a_threshold_past_the_timeout_is_near_from_the_start() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#","timeoutConfig":{"warningThresholdMinutes":100000}"#).await;
        let session = app.get(&path_of(&id)).send().await.expect(200).json();
        assert_eq!(session["isNearExpiration"], true);
    });
}

#[test]
fn reading_does_not_renew() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for minutes in [10, 20, 29] {
            app.clock.advance(TimeDelta::minutes(minutes) - (app.clock.now() - crate::support::start()));
            let session = app.get(&path_of(&id)).send().await.expect(200).json();
            assert_eq!(session["lastActivity"], "2026-04-29T09:00:00.000Z");
            assert_eq!(session["expiresAt"], "2026-04-29T09:30:00.000Z");
            assert_eq!(session["renewalCount"], 0);
            assert_eq!(session["timeRemaining"], (30 - minutes) * 60_000);
        }
        app.clock.advance(TimeDelta::minutes(1));
        app.get(&path_of(&id)).send().await.expect(410);
    });
}

/// Requests a session that does not exist, and compares the whole response.
async fn is_404(app: &TestApp, segment: &str, id: &str) {
    let reply = app.get(&path_of(segment)).send().await;
    assert_eq!(reply.status, 404, "{segment}: {}", reply.text());
    let error = json!({
        "code": "SESSION_NOT_FOUND",
        "message": format!("Session with ID '{id}' not found"),
        "timestamp": "2026-04-29T09:00:00.000Z",
    });
    assert_eq!(reply.text(), json!({ "error": error }).to_string(), "{segment}");
}

#[test]
fn what_is_nobodys_or_somebody_elses_is_404_with_the_same_body() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let (mine, theirs) = (create(&app, "").await, create(&other, "").await);
        for id in [
            theirs.as_str(),
            "x",
            "00000000-0000-0000-0000-000000000000",
            MESSAGING_AGENT_ID,
            // Other spellings of an id are other ids.
            &mine.to_uppercase(),
            &mine.replace('-', ""),
            &format!("urn:uuid:{mine}"),
        ] {
            is_404(&app, id, id).await;
        }
        for (segment, id) in [
            (format!("%7B{mine}%7D"), format!("{{{mine}}}")),
            (format!("%20{mine}"), format!(" {mine}")),
            ("a%2Fb".to_owned(), "a/b".to_owned()),
            ("%00".to_owned(), "\0".to_owned()),
            ("%E5%AE%A2".to_owned(), "客".to_owned()),
        ] {
            is_404(&app, &segment, &id).await;
        }
        // Another organization's expired session is reported only to that organization.
        other.clock.advance(TimeDelta::minutes(31));
        is_404(&app, &theirs, &theirs).await;
        other.get(&path_of(&theirs)).send().await.expect(410);
    });
}

#[test]
fn ids_of_other_dialects_find_nothing() {
    run(async {
        let app = TestApp::new().await;
        let agntix = app.post("/v1/chat/chat/sessions", format!(r#"{{"agentId":"{AGENT_ID}"}}"#)).send().await;
        let keyed = app.post("/v2/agents/customer_support/sessions", r#"{"name":"x","key":"own"}"#).send().await;
        for reply in [&agntix, &keyed] {
            assert_eq!(reply.status, 201, "{}", reply.text());
        }
        let mut names = vec![agntix.member("id"), keyed.member("key")];
        let rows = admin().await.sessions(app.org, None, None, 10).await.expect("sessions");
        names.extend(rows.iter().map(|row| row.session_id.to_string()));
        for name in names {
            is_404(&app, &name, &name).await;
        }
    });
}

#[test]
fn paths_match_in_any_case_and_with_a_slash_at_the_end() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for path in [
            format!("/API/Messaging/SESSIONS/{id}"),
            format!("/api/messaging/sessions/{id}/"),
            format!("/Api/messaging/Sessions/{id}/?a=B"),
            // The first character of the id, percent-encoded.
            format!("/api/messaging/sessions/%{:x}{}", id.as_bytes()[0], &id[1..]),
        ] {
            let found = app.get(&path).send().await;
            assert_eq!(found.status, 200, "{path}: {}", found.text());
            assert_eq!(found.member("sessionId"), id, "{path}");
        }
    });
}

#[test]
fn a_path_that_is_no_text_is_400() {
    run(async {
        let reply = TestApp::new().await.get(&path_of("%FF%FE")).send().await.expect(400);
        assert_eq!(reply.text(), r#"{"success":false,"error":{"message":"Failed to decode param","code":400}}"#);
    });
}

#[test]
fn reading_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await);
        let (reads, writes) = (app.key_with("sessions:read").await, app.key_with("sessions:write").await);
        let ask = || app.get(&path).anonymous();
        ask().header("x-api-key", &reads).send().await.expect(200);
        let lacking = ask().header("x-api-key", writes).send().await.expect(403);
        assert_eq!(
            lacking.text(),
            r#"{"success":false,"error":{"code":"FORBIDDEN","message":"This credential lacks the scope sessions:read"}}"#
        );
        for ask in [
            ask(),
            ask().header("x-org-id", app.org.to_string()),
            ask().header("authorization", format!("Bearer {reads}")),
        ] {
            let reply = ask.send().await.expect(401);
            assert_eq!(reply.text(), r#"{"error":"API key required","message":"Missing or invalid X-API-KEY header"}"#);
        }
    });
}

#[test]
fn the_default_organization_reads_its_own_sessions_and_no_others() {
    run(async {
        let app = TestApp::with(Setup { default_org: true, ..Setup::default() }).await;
        let other = TestApp::new().await;
        let (mine, theirs) = (create(&app, "").await, create(&other, "").await);
        let get = |path: String| app.get(&path).anonymous().from("127.0.0.1").header("host", "localhost");
        get(path_of(&mine)).send().await.expect(200);
        get(path_of(&theirs)).send().await.expect(404);
        get(path_of(&mine)).header("origin", "https://example.com").send().await.expect(401);
    });
}

#[test]
fn a_read_may_come_as_the_vendors_client_sends_it() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await);
        app.get(&path).header("content-type", "application/json").send().await.expect(200);
        let head = app.ask(Method::HEAD, &path).send().await.expect(200);
        assert_eq!(head.text(), "");
    });
}
