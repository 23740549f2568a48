//! Shared by the tests of ElizaOS's paths.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{AGENT_ID, Ask, MESSAGING_AGENT_ID, Reply, TestApp, start};

pub const SESSIONS: &str = "/api/messaging/sessions";

/// Returns a body that creates a session, with these members besides agent and user.
pub fn session_with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}"{comma}{members}}}"#)
}

/// Creates a session with these members besides agent and user. Returns its id.
pub async fn create(app: &TestApp, members: &str) -> String {
    app.post(SESSIONS, session_with(members)).send().await.expect(201).member("sessionId")
}

/// Creates a session with these time-outs.
pub async fn create_timed(app: &TestApp, timeouts: &str) -> String {
    create(app, &format!(r#""timeoutConfig":{{{timeouts}}}"#)).await
}

/// Returns the path of a session, or of something below it.
pub fn path_of(id: &str, below: &str) -> String {
    format!("{SESSIONS}/{id}{below}")
}

/// Returns the current session.
pub async fn standing(app: &TestApp, id: &str) -> Value {
    app.get(&path_of(id, "")).send().await.expect(200).json()
}

/// Returns the time this many minutes after the tests' clock began, in the dialect's format.
pub fn after_minutes(minutes: i64) -> String {
    (start() + TimeDelta::minutes(minutes)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Returns the error of a session. Fails for any other than this one.
#[track_caller]
pub fn error_of(reply: &Reply, status: u16, code: &str) -> Value {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    let error = &body["error"];
    assert_eq!(error["code"], code, "{body}");
    assert!(error["message"].is_string() && error["timestamp"].is_string() && error.get("stack").is_none(), "{body}");
    error.clone()
}

/// Calls a route below a session for sessions that do not exist, of every kind, and compares the whole responses.
///
/// `ask` creates the request for a path; `{}` in `below` stands for the session's id.
pub async fn misses_what_is_not_there<'a>(app: &'a TestApp, below: &str, ask: impl Fn(&'a TestApp, &str) -> Ask<'a>) {
    let other = TestApp::new().await;
    let (mine, theirs) = (create(app, "").await, create(&other, "").await);
    let agntix = app.post("/v1/chat/chat/sessions", format!(r#"{{"agentId":"{AGENT_ID}"}}"#)).send().await;
    let agntix = agntix.expect(201).member("id");
    let ended = create(app, "").await;
    app.ask(http::Method::DELETE, &path_of(&ended, "")).send().await.expect(200);
    for (segment, id) in [
        (theirs.as_str(), theirs.as_str()),
        (&agntix, &agntix),
        (&ended, &ended),
        (&mine.to_uppercase(), &mine.to_uppercase()),
        (&mine.replace('-', ""), &mine.replace('-', "")),
        ("health", "health"),
        ("x", "x"),
        ("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000"),
        ("a%2Fb", "a/b"),
        ("%00", "\0"),
        ("%E5%AE%A2", "客"),
    ] {
        let reply = ask(app, &path_of(segment, below)).send().await;
        let error = error_of(&reply, 404, "SESSION_NOT_FOUND");
        assert_eq!(error["message"], format!("Session with ID '{id}' not found"), "{segment}");
    }
    let malformed = ask(app, &path_of("%FF", below)).send().await.expect(400);
    assert_eq!(malformed.text(), r#"{"success":false,"error":{"message":"Failed to decode param","code":400}}"#);
    // None of it changed the existing session.
    let session = standing(app, &mine).await;
    assert_eq!((&session["renewalCount"], &session["lastActivity"]), (&json!(0), &session["createdAt"]));
    other.get(&path_of(&theirs, "")).send().await.expect(200);
}

/// Calls this route for an expired session: 410 once, 404 from then on.
pub async fn finds_out_of_an_expiry_once<'a>(
    app: &'a TestApp,
    below: &str,
    ask: impl Fn(&'a TestApp, &str) -> Ask<'a>,
) {
    let id = create_timed(app, r#""timeoutMinutes":5"#).await;
    app.clock.advance(TimeDelta::minutes(5));
    let gone = ask(app, &path_of(&id, below)).send().await;
    let said =
        format!("Session '{id}' expired at {}", (app.clock.now()).to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
    assert_eq!(error_of(&gone, 410, "SESSION_EXPIRED")["message"], said);
    for _ in 0..2 {
        error_of(&ask(app, &path_of(&id, below)).send().await, 404, "SESSION_NOT_FOUND");
    }
    error_of(&app.get(&path_of(&id, "")).send().await, 404, "SESSION_NOT_FOUND");
}

/// Calls a route with a key that lacks the scope, with every credential that it does not accept, and without one.
pub async fn asks_for_a_credential<'a>(
    app: &'a TestApp,
    path: &str,
    scope: &str,
    ask: impl Fn(&'a TestApp, &str) -> Ask<'a>,
) {
    let every = "capture,sessions:read,sessions:write,events:read,events:write,agents:read,agents:write,manage";
    let others: Vec<&str> = every.split(',').filter(|other| *other != scope).collect();
    let lacking = app.key_with(&others.join(",")).await;
    let refused = ask(app, path).anonymous().header("x-api-key", &lacking).send().await.expect(403);
    let said = format!(
        r#"{{"success":false,"error":{{"code":"FORBIDDEN","message":"This credential lacks the scope {scope}"}}}}"#
    );
    assert_eq!(refused.text(), said);
    for nobody in [
        ask(app, path).anonymous(),
        ask(app, path).as_org_header(),
        ask(app, path).anonymous().header("authorization", format!("Bearer {}", app.key)),
    ] {
        let reply = nobody.send().await.expect(401);
        assert_eq!(reply.text(), r#"{"error":"API key required","message":"Missing or invalid X-API-KEY header"}"#);
    }
    let only = app.key_with(scope).await;
    let taken = ask(app, path).anonymous().header("x-api-key", only).send().await;
    assert!(taken.status.is_success(), "{}", taken.text());
}
