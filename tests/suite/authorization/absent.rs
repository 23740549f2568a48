//! Another organization's objects are absent: the responses about them are those about objects that no organization
//! has, byte for byte.

use regex::Regex;
use sessionary::domain::{ApiName, DialectName, KeyId, Scope};

use super::matrix::{is_for_operators, unlimited};
use super::objects::{self, Objects};
use super::rows;
use super::table::{Body, Row, Surface, documented, further};
use crate::support::{Reply, TestApp, run, webhooks};
use crate::workers::erasures::TURN;

/// Returns requests that name objects in the query or in optional members. The table has the others.
fn besides(api: ApiName) -> Vec<Row> {
    let row = |method, path, body| Row {
        method,
        path,
        surface: Surface::Keys,
        scope: Some(Scope::SessionsRead),
        body,
        success: 0,
    };
    let get = |path| row("GET", path, Body::None);
    let post = |path, body| row("POST", path, Body::Json(body));
    match api {
        ApiName::Dialect(DialectName::Agnost) => vec![
            post(
                "/dashboard/api/conversation-messages",
                r#"{"conversation_id":"<conversation>","event_id":"<event>"}"#,
            ),
            post("/dashboard/api/conversation-spans", r#"{"conversation_id":"<conversation>","event_id":"<event>"}"#),
            post("/dashboard/api/conversation-detail", r#"{"conversation_id":"<conversation>","event_id":"<event>"}"#),
            post("/api/v1/capture-session", r#"{"session_id":"<conversation>","user_data":{"user_id":"u"}}"#),
            post(
                "/api/v1/capture-event",
                r#"{"event_id":"<event>","session_id":"<new-uuid>","primitive_name":"p","args":"a","result":"r","latency":1}"#,
            ),
            post(
                "/api/v1/capture-event",
                r#"{"event_id":"<new-uuid>","parent_id":"<event>","session_id":"<new-uuid>","primitive_name":"p","args":"a","result":"r","latency":1}"#,
            ),
        ],
        ApiName::Dialect(DialectName::Agntix) => vec![
            get("/v1/chat/chat/sessions?agentId=<agentId>"),
            get("/v1/chat/chat/sessions/download/csv?agentId=<agentId>"),
        ],
        ApiName::Dialect(DialectName::AgentKey) => vec![
            post("/v2/agents/{agent_key}/sessions", r#"{"key":"<session_key>","name":"n"}"#),
            post("/v2/agents/{agent_key}/sessions", r#"{"name":"n","from_session":{"session_key":"<session_key>"}}"#),
            post(
                "/v2/agents/{agent_key}/sessions",
                r#"{"name":"n","from_session":{"session_key":"<session_key>","agent_key":"<agent_key>"}}"#,
            ),
            post(
                "/v2/agents/{agent_key}/sessions",
                r#"{"name":"n","from_session":{"session_key":"<session_key>","include_up_to_event_id":"<event_id>"}}"#,
            ),
            post(
                "/v2/agents/{agent_key}/sessions/{session_key}/events",
                r#"{"type":"compact","compact_up_to_event_id":"<event_id>"}"#,
            ),
            post("/v2/agents", r#"{"key":"<agent_key>","name":"n"}"#),
        ],
        ApiName::Dialect(DialectName::Messaging) | ApiName::Sessionary => vec![],
        ApiName::Dialect(DialectName::IntegerId) => vec![
            get("/api/v1/sessions?agent_id=<agent_id>"),
            post("/api/v1/agents", r#"{"name":"n","avatar_id":<avatar_id>}"#),
            row("PUT", "/api/v1/agents/{agent_id}", Body::Json(r#"{"avatar_id":<avatar_id>}"#)),
        ],
    }
}

#[test]
fn a_foreign_object_is_absent_in_agnost() {
    run(looks_absent(ApiName::Dialect(DialectName::Agnost), 25));
}

#[test]
fn a_foreign_object_is_absent_in_agntix() {
    run(looks_absent(ApiName::Dialect(DialectName::Agntix), 20));
}

#[test]
fn a_foreign_object_is_absent_in_agent_key() {
    run(looks_absent(ApiName::Dialect(DialectName::AgentKey), 40));
}

#[test]
fn a_foreign_object_is_absent_in_messaging() {
    run(looks_absent(ApiName::Dialect(DialectName::Messaging), 9));
}

#[test]
fn a_foreign_object_is_absent_in_integer_id() {
    run(looks_absent(ApiName::Dialect(DialectName::IntegerId), 14));
}

#[test]
fn a_foreign_object_is_absent_in_the_own_api() {
    run(looks_absent(ApiName::Sessionary, 1));
}

/// Compares every operation for every object that it names, with the caller's own objects for the others.
async fn looks_absent(api: ApiName, at_least: usize) {
    let _retention = if api == ApiName::Sessionary { Some(TURN.lock().await) } else { None };
    let _webhooks = if api == ApiName::Sessionary { Some(webhooks::alone().await) } else { None };
    let (app, other) = (unlimited().await, unlimited().await);
    let own = objects::make(&app, api).await;
    // Numbers are unique within an organization only, so these must differ from the caller's.
    let mut theirs = objects::make(&other, api).await;
    for _ in 0..3 {
        theirs = objects::make(&other, api).await;
    }
    let before = rows::of(other.org).await;
    let (mut compared, mut wrong) = (0, Vec::new());
    let table = documented(api).iter().copied().chain(further(api)).chain(besides(api));
    // Requests that create objects under the sent names come last. An image can be seen with its address alone, and
    // operators see every organization.
    let makes = |row: &Row| {
        row.path.contains("/capture-") || matches!(row.body, Body::Json(body) if body.contains(r#""key":"<"#))
    };
    let (last, first): (Vec<Row>, Vec<Row>) =
        table.filter(|row| !row.path.contains("{image}") && !is_for_operators(row)).partition(makes);
    for row in first.into_iter().chain(last) {
        // An export is recorded in the audit log of its organization.
        let is_export = row.path.ends_with("/exports");
        if row.method == "GET"
            && !is_export
            && row.success != 0
            && row.scope.is_some()
            && row.surface != Surface::People
        {
            let reply = objects::send(with_key(&other, &other, &row, &theirs)).await;
            assert_eq!(reply.status.as_u16(), row.success, "{} {}: {}", row.method, row.path, reply.text());
        }
        for name in named(&row, &own) {
            let (foreign, made_up) = (theirs[name].clone(), made_up(&app, &theirs[name]));
            let mut replies = Vec::new();
            for id in [&foreign, &made_up] {
                let mut objects = own.clone();
                objects.insert(name, id.clone());
                let reply = objects::send(with_key(&app, &app, &row, &objects)).await;
                replies.push((comparable(&reply, id), reply));
            }
            let [(first, reply), (second, _)] = &replies[..] else { unreachable!("two replies") };
            let cell = format!("{} {} with another {name}", row.method, row.path);
            if first != second {
                wrong.push(format!("{cell}: foreign {first:?}, absent {second:?}"));
            }
            let in_path = objects::path_parameters(&row)
                .any(|parameter| objects::named_by(&theirs, row.path, parameter) == foreign);
            if in_path && ![404, 501].contains(&reply.status.as_u16()) {
                wrong.push(format!("{cell}: {} {}", reply.status, reply.text()));
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "{api}: {} of {compared} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= at_least, "{compared} comparisons");
    let after = rows::of(other.org).await;
    assert_eq!(before, after, "{api}: a request changed what another organization has stored");
}

/// Returns a request with the organization's key, and with a token if only that is accepted.
fn with_key<'a>(app: &'a TestApp, caller: &TestApp, row: &Row, objects: &Objects) -> crate::support::Ask<'a> {
    let ask = objects::request(app, row, &objects::path_of(row, objects), objects).header("x-request-id", "same");
    match row.surface {
        Surface::People => ask.header("authorization", format!("Bearer {}", super::credentials::administrator(caller))),
        _ => ask.header("x-api-key", &caller.key),
    }
}

/// Returns the objects that a row names in its path, its query and its body.
fn named(row: &Row, objects: &Objects) -> Vec<&'static str> {
    let body = if let Body::Json(body) = row.body { body } else { "" };
    let mut names: Vec<&'static str> = objects
        .keys()
        .copied()
        .filter(|name| {
            let placeholder = format!("<{name}>");
            let in_path = objects::path_parameters(row).any(|parameter| {
                objects::named_by(objects, row.path, parameter) == objects[name] && *name != "user_id"
            });
            in_path || body.contains(&placeholder) || row.path.contains(&placeholder)
        })
        .collect();
    names.sort_unstable();
    names
}

/// Returns an id of the same form that no organization has.
fn made_up(app: &TestApp, id: &str) -> String {
    if let Ok(number) = id.parse::<i64>() {
        return (number + 1_000).to_string();
    }
    if id.parse::<KeyId>().is_ok() {
        return app.mint.uuid().to_string();
    }
    let spelled = KeyId(app.mint.uuid()).to_agntix();
    match id.rsplit_once('_') {
        Some((prefix, digits)) if digits.len() == 26 => format!("{prefix}_{}", &spelled[4..]),
        Some((prefix, id)) if id.parse::<KeyId>().is_ok() => format!("{prefix}_{}", app.mint.uuid()),
        Some((prefix, rest)) => format!("{prefix}_{}", &app.mint.hex(16).repeat(4)[..rest.len()]),
        None => app.mint.hex(16).repeat(4)[..id.len()].to_owned(),
    }
}

/// Returns what two responses must have in common: the status, the names of the headers and the body, without the sent
/// id, new ids, and milliseconds, by which the events of a session differ.
fn comparable(reply: &Reply, id: &str) -> (u16, Vec<String>, String) {
    let sent = Regex::new(&format!(r"\b{}\b", regex::escape(id))).expect("a pattern");
    let made = Regex::new(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[a-z]+_[0-9a-z]{26}\b|_id.:[0-9]+|\.[0-9]{3}Z",
    )
    .expect("a pattern");
    let text = reply.text();
    let text = sent.replace_all(&text, "<sent>");
    let text = made.replace_all(&text, "<made>").into_owned();
    let mut headers: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    (reply.status.as_u16(), headers, text)
}
