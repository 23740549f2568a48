//! `GET /sessionary/v1/sessions` and `GET /sessionary/v1/sessions/{session_id}`.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use sessionary::domain::DialectName;

use super::across::{SESSIONS, begin, begin_all, called, path_of, say, walk};
use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, TestApp, agent_key, agntix, messaging, run};

const NAMES: [&str; 5] = ["agnost", "agntix", "agent_key", "messaging", "integer_id"];

async fn listed(app: &TestApp, query: &str) -> Vec<String> {
    walk(app, &format!("{SESSIONS}?{query}"), 100, "dialect").await
}

#[test]
fn sessions_of_all_dialects_are_in_one_list() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let ids = begin_all(&app).await;
        // Numbers are unique within an organization only.
        for dialect in DialectName::ALL.into_iter().filter(|dialect| *dialect != DialectName::IntegerId) {
            begin(&other, dialect).await;
        }
        let newest: Vec<&str> = NAMES.iter().rev().copied().collect();
        for limit in [1, 2, 3, 100] {
            assert_eq!(walk(&app, SESSIONS, limit, "dialect").await, newest);
            assert_eq!(walk(&app, &format!("{SESSIONS}?order=oldest"), limit, "vendor_id").await, ids);
        }
        for vendor_id in &ids {
            let row = called(&app, vendor_id).await;
            let path = path_of(&app, vendor_id, "").await;
            let mut single = app.get(&path).send().await.expect(200).json();
            let extra = single.as_object_mut().expect("an object");
            assert_eq!(extra.remove("last_event_number"), Some(json!(0)));
            assert!(extra.remove("dialect_data").is_some_and(|data| data.is_object()));
            assert_eq!(single, row);
            if let Some(path) = row["vendor_path"].as_str() {
                app.get(path).send().await.expect(200);
            }
            let foreign = other.get(&path).header("x-request-id", "same").send().await.expect(404);
            let absent = format!("{SESSIONS}/agntix_00000000000000000000000000000000");
            let absent = other.get(&absent).header("x-request-id", "same").send().await.expect(404);
            assert_eq!(foreign.text(), absent.text());
        }
    });
}

#[test]
fn sessions_of_one_time_are_listed_once_each() {
    run(async {
        let app = TestApp::new().await;
        for dialect in DialectName::ALL {
            for _ in 0..3 {
                begin(&app, dialect).await;
            }
        }
        for order in ["newest", "oldest"] {
            for query in [format!("order={order}"), format!("order={order}&state=open")] {
                let mut all = walk(&app, &format!("{SESSIONS}?{query}"), 2, "id").await;
                assert_eq!(all.len(), 15);
                all.sort();
                all.dedup();
                assert_eq!(all.len(), 15, "{query}");
            }
        }
    });
}

#[test]
fn a_list_is_filtered() {
    run(async {
        let app = TestApp::new().await;
        let start = app.clock.now();
        let ids = begin_all(&app).await;
        agntix::close(&app, &ids[1]).await.expect(200);
        app.clock.advance(TimeDelta::seconds(1));
        agent_key::session(&app, "named", &json!({"name": "Lost Parcel 50%", "metadata": {"plan": "pro"}})).await;
        say(&app, DialectName::IntegerId, &ids[4], "where is my umbrella").await;
        say(&app, DialectName::Agnost, &ids[0], "an umbrella too").await;
        let at =
            |seconds: i64| (start + TimeDelta::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        for (query, expected) in [
            ("dialect=agntix,messaging".to_owned(), &["messaging", "agntix"][..]),
            ("dialect=agntix&dialect=messaging&dialect=agntix".to_owned(), &["messaging", "agntix"]),
            (format!("agent_id={AGENT_ID}"), &["agent_key", "integer_id", "agent_key", "agntix"]),
            (format!("agent_id={AGENT_ID}&dialect=agntix"), &["agntix"]),
            (format!("agent_id={AGENT_ID}&order=oldest"), &["agntix", "agent_key", "integer_id", "agent_key"]),
            (format!("agent_id={MESSAGING_AGENT_ID}"), &["messaging"]),
            (format!("agent_id={MESSAGING_AGENT_ID}&order=oldest"), &["messaging"]),
            (format!("agent_id={}", app.mint.uuid()), &[]),
            ("state=ended".to_owned(), &["agntix"]),
            ("state=open".to_owned(), &["agent_key", "integer_id", "messaging", "agent_key", "agnost"]),
            ("state=expired".to_owned(), &[]),
            ("user_id=ann".to_owned(), &["agnost"]),
            ("user_id=an".to_owned(), &[]),
            ("user_id=ann&dialect=agnost,agntix".to_owned(), &["agnost"]),
            ("user_id=ann&dialect=agntix".to_owned(), &[]),
            ("user_id=ann&state=open&kind=sdk".to_owned(), &["agnost"]),
            ("user_id=ann&state=ended".to_owned(), &[]),
            ("user_id=ann&q=umbrella".to_owned(), &["agnost"]),
            ("user_id=ann&q=parcel".to_owned(), &[]),
            ("kind=sdk".to_owned(), &["agnost"]),
            (format!("created_after={}&created_before={}", at(2), at(4)), &["agent_key"]),
            (format!("created_after={}&order=oldest", at(3)), &["messaging", "integer_id", "agent_key"]),
            (format!("created_before={}&state=open", at(3)), &["agnost"]),
            ("metadata=plan%3D'pro'".to_owned(), &["agent_key"]),
            ("metadata=plan%20IS%20NULL&dialect=agent_key".to_owned(), &["agent_key"]),
            ("q=lost+parcel".to_owned(), &["agent_key"]),
            ("q=50%25".to_owned(), &["agent_key"]),
            ("q=5%25".to_owned(), &[]),
            ("q=named".to_owned(), &["agent_key"]),
            ("q=UMBRELLA".to_owned(), &["integer_id", "agnost"]),
            ("q=umbrella&order=oldest".to_owned(), &["agnost", "integer_id"]),
            ("q=umbrella&kind=sdk".to_owned(), &["agnost"]),
            ("q=there&dialect=agnost".to_owned(), &["agnost"]),
        ] {
            assert_eq!(listed(&app, &query).await, expected, "{query}");
        }
        // Messages are another scope.
        let key = app.key_with("sessions:read").await;
        let found = async |q: &str| {
            let ask = app.get(&format!("{SESSIONS}?q={q}")).without("x-api-key").header("x-api-key", &key);
            ask.send().await.expect(200).json()["data"].as_array().expect("rows").len()
        };
        assert_eq!((found("umbrella").await, found("parcel").await), (0, 1));
    });
}

#[test]
fn what_is_no_filter_is_400() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        begin_all(&app).await;
        begin_all(&other).await;
        for query in [
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=-1",
            "cursor=x",
            "cursor=",
            "unknown=1",
            "order=best",
            "state=closed",
            "dialect=x",
            "dialect=agntix,x",
            "agent_id=1",
            "created_after=soon",
            "metadata=%3D",
            "metadata=a%3D'%00'",
            "q=",
            "q=%00",
            "q=%20",
            "user_id=",
            "user_id=a%00",
            "kind=",
            "limit=1&limit=2",
            "q=a&q=b",
        ] {
            let reply = app.get(&format!("{SESSIONS}?{query}")).send().await.expect(400);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{query}");
        }
        let long = "x".repeat(201);
        app.get(&format!("{SESSIONS}?q={long}")).send().await.expect(400);
        let next = |reply: Value| reply["next_cursor"].as_str().expect("a cursor").to_owned();
        let page = app.get(&format!("{SESSIONS}?limit=1")).send().await.expect(200);
        let cursor = next(page.json());
        for (app, query) in [(&other, ""), (&app, "&state=open"), (&app, "&order=oldest"), (&app, "&dialect=agntix")] {
            let reply = app.get(&format!("{SESSIONS}?cursor={cursor}{query}")).send().await.expect(400);
            assert_eq!(reply.member("code"), "invalid_cursor");
        }
        for id in ["x", "agntix", "agntix_", "agntix_1", "none_00000000000000000000000000000000", "%00", "agntix_%FF"] {
            let status = app.get(&format!("{SESSIONS}/{id}")).send().await.status.as_u16();
            assert!([400, 404].contains(&status), "{id}: {status}");
        }
    });
}

#[test]
fn deleted_sessions_are_in_no_list() {
    run(async {
        let app = TestApp::new().await;
        let ids = begin_all(&app).await;
        let path = path_of(&app, &ids[3], "").await;
        app.ask(Method::DELETE, &messaging::path_of(&ids[3], "")).send().await.expect(200);
        app.ask(Method::DELETE, &format!("{}/{}", agent_key::SESSIONS, ids[2])).send().await.expect(204);
        assert_eq!(listed(&app, "").await, ["integer_id", "agntix", "agnost"]);
        assert_eq!(listed(&app, "state=ended").await, [""; 0]);
        assert_eq!(walk(&app, SESSIONS, 1, "dialect").await, ["integer_id", "agntix", "agnost"]);
        app.get(&path).send().await.expect(404);
    });
}

/// A filter that matches little is bounded per page, and its cursor leads to the end.
#[test]
fn a_rare_match_is_found_page_by_page() {
    run(async {
        let app = TestApp::new().await;
        let id = begin(&app, DialectName::IntegerId).await;
        agntix::create(&app, "").await;
        app.fill_sessions(DialectName::Agntix, 11_000).await;
        assert_eq!(walk(&app, &format!("{SESSIONS}?dialect=integer_id&state=open"), 100, "vendor_id").await, [id]);
        assert_eq!(walk(&app, &format!("{SESSIONS}?kind=nothing"), 100, "id").await, [""; 0]);
        let first = app.get(&format!("{SESSIONS}?kind=nothing")).send().await.expect(200).json();
        assert!(first["next_cursor"].is_string() && first["data"] == json!([]));
        let ended = walk(&app, &format!("{SESSIONS}?state=ended"), 100, "id").await;
        assert_eq!(ended.len(), 1_100);
        assert_eq!(walk(&app, &format!("{SESSIONS}?dialect=agntix"), 100, "id").await.len(), 11_001);
    });
}
