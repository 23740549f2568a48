//! `GET /sessionary/v1/exports`.

use std::collections::BTreeSet;
use std::io::Read;

use chrono::TimeDelta;
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sessionary::domain::DialectName;

use super::{all, is_problem};
use crate::support::agnost::{self, CAPTURE_SESSION};
use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, TestApp, agent_key, agntix, integer_id, messaging, run, start};

pub const EXPORTS: &str = "/sessionary/v1/exports";

/// Returns the lines of an export.
pub async fn lines(app: &TestApp, query: &str) -> Vec<Value> {
    let text = app.get(&format!("{EXPORTS}{query}")).send().await.expect(200).text();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Captures a conversation whose events are too long for one line. Returns its id.
async fn long_conversation(app: &TestApp, events: usize) -> String {
    let session = app.mint.uuid().to_string();
    for number in 0..events {
        let members = json!({ "session_id": session, "event_id": app.mint.uuid(), "args": "x".repeat(90_000),
                              "result": number.to_string() });
        agnost::capture(app, agnost::event_with(members)).await;
    }
    session
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["id"].as_str().expect("an id")).collect()
}

#[test]
fn every_dialect_is_exported_line_by_line_and_continues_after_each() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        app.answered_by("echo").await;
        long_conversation(&app, 30).await;
        let chat = agntix::create(&app, "").await;
        agntix::say(&app, &chat, "Hello").await.expect(200);
        agent_key::session(&app, "k", &json!({ "metadata": { "userId": "u" } })).await;
        // More than a piece of the export has.
        for _ in 0..120 {
            messaging::create(&app, "").await;
        }
        integer_id::start_session(&app, "").await;
        messaging::create(&other, "").await;

        let whole = lines(&app, "").await;
        let parts = whole.iter().filter(|line| line["id"] == whole[0]["id"]).count();
        assert!((4..=9).contains(&parts), "{parts} lines of the long conversation");
        assert_eq!(whole.len(), parts + 123);
        let numbers: Vec<i64> = whole[..parts]
            .iter()
            .flat_map(|line| line["events"].as_array().expect("events"))
            .map(|event| event["number"].as_i64().expect("a number"))
            .collect();
        assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
        for (place, line) in whole[..parts].iter().enumerate() {
            assert_eq!((line["session"].is_object(), &line["continues"]), (place == 0, &json!(place + 1 < parts)));
            assert!(line.to_string().len() < 2 * 1024 * 1024);
        }
        assert!(whole[parts..].iter().all(|line| line["session"].is_object() && line["continues"] == false));
        let unique: BTreeSet<&str> = ids(&whole).into_iter().collect();
        assert_eq!(unique.len(), 124);
        let line = &whole[parts];
        assert_eq!(line["id"], format!("agntix_{}", app.session_called(&chat).await.session_id.simple()));
        assert_eq!(line["session"]["last_event_number"], 2);
        assert_eq!(line["events"][0]["content"], "Hello");

        for place in [0, 1, parts - 2, parts - 1, parts, parts + 1, 99, 100, 101, whole.len() - 2, whole.len() - 1] {
            let cursor = whole[place]["cursor"].as_str().expect("a cursor");
            assert_eq!(lines(&app, &format!("?after={cursor}")).await, whole[place + 1..], "after line {place}");
            is_problem(&other.get(&format!("{EXPORTS}?after={cursor}")).send().await, 400, "invalid_cursor");
        }
    });
}

#[test]
fn filters_choose_sessions() {
    run(async {
        let app = TestApp::new().await;
        let capture = async |user: &str| {
            app.clock.advance(TimeDelta::seconds(1));
            let id = app.mint.uuid();
            let body = json!({ "session_id": id, "user_data": { "user_id": user } }).to_string();
            app.post(CAPTURE_SESSION, body).send().await.expect(200);
            format!("agnost_{}", id.simple())
        };
        let (first, second, third) = (capture("a/b").await, capture("c").await, capture("a/b").await);
        app.clock.advance(TimeDelta::seconds(1));
        agent_key::session(&app, "k", &json!({ "metadata": { "userId": "a/b" } })).await;
        let keyed = format!("agent_key_{}", app.session_called("k").await.session_id.simple());
        let time = |seconds| (start() + TimeDelta::seconds(seconds)).format("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        for (query, expected) in [
            ("".to_owned(), vec![&first, &second, &third, &keyed]),
            ("?dialect=agnost".to_owned(), vec![&first, &second, &third]),
            ("?dialect=agent_key,messaging".to_owned(), vec![&keyed]),
            ("?dialect=messaging&dialect=agnost".to_owned(), vec![&first, &second, &third]),
            ("?user_id=a%2Fb".to_owned(), vec![&first, &third, &keyed]),
            ("?user_id=a%2Fb&dialect=agnost".to_owned(), vec![&first, &third]),
            ("?user_id=a%2Fb&dialect=messaging".to_owned(), vec![]),
            ("?user_id=nobody".to_owned(), vec![]),
            (format!("?agent_id={AGENT_ID}"), vec![&keyed]),
            (format!("?agent_id={AGENT_ID}&user_id=a%2Fb"), vec![&keyed]),
            (format!("?agent_id={AGENT_ID}&user_id=c"), vec![]),
            (format!("?agent_id={AGENT_ID}&dialect=agnost,messaging"), vec![]),
            (format!("?agent_id={AGENT_ID}&created_before={}", time(2)), vec![]),
            (format!("?agent_id={}", app.mint.uuid()), vec![]),
            (format!("?created_after={}", time(2)), vec![&second, &third, &keyed]),
            (format!("?created_before={}", time(2)), vec![&first]),
            (format!("?user_id=a%2Fb&created_after={}&created_before={}", time(2), time(4)), vec![&third]),
        ] {
            let found = lines(&app, &query).await;
            assert_eq!(ids(&found), expected, "{query}");
            for place in 0..found.len() {
                let cursor = found[place]["cursor"].as_str().expect("a cursor");
                let joint = if query.is_empty() { '?' } else { '&' };
                let rest = lines(&app, &format!("{query}{joint}after={cursor}")).await;
                assert_eq!(rest, found[place + 1..], "{query} after {place}");
            }
        }
        for (wrong, code) in [
            ("dialect=nothing", "invalid_query"),
            ("created_after=yesterday", "invalid_query"),
            ("user_id=", "invalid_query"),
            ("agent_id=customer_support", "invalid_query"),
            ("format=xml", "invalid_query"),
            ("limit=1", "invalid_query"),
            ("after=x", "invalid_cursor"),
        ] {
            is_problem(&app.get(&format!("{EXPORTS}?{wrong}")).send().await, 400, code);
        }
    });
}

/// Every dialect is read along its own index, page by page; `messaging` has none.
#[test]
fn the_sessions_of_one_agent_are_exported_page_by_page() {
    run(async {
        let app = TestApp::new().await;
        let mut expected = [0, 0];
        for _ in 0..110 {
            app.clock.advance(TimeDelta::seconds(1));
            agntix::create(&app, "").await;
            messaging::create(&app, "").await;
            expected = expected.map(|count| count + 1);
        }
        agent_key::session(&app, "k", &json!({})).await;
        integer_id::start_session(&app, "").await;
        let of_agent = lines(&app, &format!("?agent_id={AGENT_ID}")).await;
        assert_eq!(of_agent.len(), expected[0] + 2);
        assert!(of_agent.iter().all(|line| line["session"]["agent"]["id"] == AGENT_ID));
        let of_messaging = lines(&app, &format!("?agent_id={MESSAGING_AGENT_ID}")).await;
        assert_eq!(of_messaging.len(), expected[1]);
        // More sessions of others than a piece looks at.
        app.fill_sessions(DialectName::Messaging, 2_500).await;
        assert_eq!(lines(&app, &format!("?agent_id={MESSAGING_AGENT_ID}")).await, of_messaging);
    });
}

#[test]
fn an_export_is_compressed_if_the_client_accepts_it_and_recorded() {
    run(async {
        let app = TestApp::new().await;
        long_conversation(&app, 15).await;
        let plain = app.get(EXPORTS).send().await.expect(200);
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(plain.header("content-type"), Some("application/x-ndjson"));
        let packed = app.get(EXPORTS).header("accept-encoding", "br, gzip").send().await.expect(200);
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.bytes.len() * 20 < plain.bytes.len());
        let mut text = String::new();
        GzDecoder::new(&packed.bytes[..]).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, plain.text());
        let entry = &all(&app, "/sessionary/v1/audit", 1).await[0];
        assert_eq!((&entry["action"], &entry["actor"]["kind"]), (&json!("session.export"), &json!("api_key")));
        let key = app.key_with("sessions:read,events:read,manage").await;
        is_problem(&app.get(EXPORTS).anonymous().header("x-api-key", &key).send().await, 403, "missing_scope");
        let empty = TestApp::new().await;
        let packed = empty.get(EXPORTS).header("accept-encoding", "gzip").send().await.expect(200);
        assert_eq!(GzDecoder::new(&packed.bytes[..]).read_to_string(&mut String::new()).expect("gzip"), 0);
    });
}

#[test]
fn a_table_has_a_row_for_each_event() {
    run(async {
        let app = TestApp::new().await;
        app.answered_by("echo").await;
        let chat = agntix::create(&app, "").await;
        agntix::say(&app, &chat, "=1+1, \"x\"").await.expect(200);
        messaging::create(&app, "").await;
        let reply = app.get(&format!("{EXPORTS}?format=csv")).send().await.expect(200);
        assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8"));
        let text = reply.text();
        let rows: Vec<&str> = text.trim_start_matches('\u{feff}').split("\r\n").collect();
        assert_eq!(rows.len(), 4, "{text}");
        assert!(rows[0].starts_with("session_id,dialect,vendor_id,"));
        assert!(rows[1].contains(&chat) && rows[1].contains("\"'=1+1, \"\"x\"\"\""), "{text}");
        let cursor = rows[2].rsplit(',').next().expect("a cell");
        let rest = app.get(&format!("{EXPORTS}?format=csv&after={cursor}")).send().await.expect(200).text();
        assert_eq!(rest.lines().count(), 1, "{rest}");
    });
}

#[test]
fn a_reader_that_sleeps_uses_nothing_and_its_export_ends_with_the_credential() {
    run(async {
        let app = TestApp::new().await;
        long_conversation(&app, 40).await;
        let (key, _) = app.key_until(app.clock.now() + TimeDelta::hours(1)).await;
        let open = async || app.get(EXPORTS).anonymous().header("x-api-key", &key).open().await.into_body();
        let (mut first, second) = (open().await, open().await);
        let frame = first.frame().await.expect("a piece").expect("bytes");
        assert!(frame.into_data().expect("bytes").len() < 3 * 1024 * 1024);
        // The organization's only connection for such reading is free.
        agnost::dashboard(&app, "raw-logs", json!({ "search": "nothing" })).await;
        is_problem(&app.get(EXPORTS).send().await, 429, "too_many_concurrent");
        drop(second);
        drop(open().await);

        app.clock.advance(TimeDelta::hours(2));
        let rest = first.collect().await;
        assert!(rest.is_err(), "the body ends before its end");
        app.get(EXPORTS).send().await.expect(200);
    });
}
