//! `/sessionary/v1/users`.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::domain::DialectName;

use super::{all, is_problem, without_request_id};
use crate::support::agnost::CAPTURE_SESSION;
use crate::support::{AGENT_ID, TestApp, agent_key, agntix, run};

const USERS: &str = "/sessionary/v1/users";

/// Captures a session of a user, a second after the one before.
async fn capture(app: &TestApp, user: &str) {
    app.clock.advance(TimeDelta::seconds(1));
    let body = json!({ "session_id": app.mint.uuid(), "user_data": { "user_id": user } });
    app.post(CAPTURE_SESSION, body.to_string()).send().await.expect(200);
}

fn ids(users: &[Value]) -> Vec<&str> {
    users.iter().map(|user| user["id"].as_str().expect("an id")).collect()
}

#[test]
fn users_of_all_dialects_are_listed_by_their_ids() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        for user in ["b", "a/b c?é", "a", "b", "\u{1}\"\\", "ab"] {
            capture(&app, user).await;
        }
        let body = json!({ "agentId": AGENT_ID, "contact": { "externalId": "a" } });
        app.post(agntix::SESSIONS, body.to_string()).send().await.expect(201);
        agent_key::session(&app, "k", &json!({ "metadata": { "userId": "c" } })).await;
        capture(&other, "theirs").await;
        let users = all(&app, USERS, 2).await;
        assert_eq!(ids(&users), ["\u{1}\"\\", "a", "a/b c?é", "ab", "b", "c"]);
        assert_eq!(ids(&all(&app, &format!("{USERS}?prefix=a"), 1).await), ["a", "a/b c?é", "ab"]);
        assert_eq!(ids(&all(&app, &format!("{USERS}?prefix=a%2F"), 1).await), ["a/b c?é"]);
        assert!(all(&app, &format!("{USERS}?prefix=t"), 1).await.is_empty());
        let b = json!({
            "id": "b", "first_seen_at": "2026-04-29T09:00:01.000Z", "last_seen_at": "2026-04-29T09:00:04.000Z",
            "sessions": 2,
        });
        assert_eq!(users[4], b);
        assert_eq!(app.get(&format!("{USERS}/b")).send().await.expect(200).json(), b);
        let odd = app.get(&format!("{USERS}/a%2Fb%20c%3F%C3%A9")).send().await.expect(200).json();
        assert_eq!((&odd["id"], &odd["sessions"]), (&json!("a/b c?é"), &json!(1)));

        let foreign = app.get(&format!("{USERS}/theirs")).send().await;
        is_problem(&foreign, 404, "not_found");
        let absent = app.get(&format!("{USERS}/nobody")).send().await;
        assert_eq!(without_request_id(&foreign), without_request_id(&absent));
        let cursor = app.get(&format!("{USERS}?limit=1")).send().await.expect(200).json();
        let cursor = cursor["next_cursor"].as_str().expect("a cursor");
        is_problem(&other.get(&format!("{USERS}?cursor={cursor}")).send().await, 400, "invalid_cursor");
        is_problem(&app.get(&format!("{USERS}?prefix=a&cursor={cursor}")).send().await, 400, "invalid_cursor");
        for wrong in ["prefix=%00", "q=a", "limit=101"] {
            is_problem(&app.get(&format!("{USERS}?{wrong}")).send().await, 400, "invalid_query");
        }
        is_problem(&app.get(&format!("{USERS}?prefix={}", "x".repeat(2_049))).send().await, 400, "invalid_query");
    });
}

#[test]
fn the_longest_ids_lead_from_page_to_page() {
    run(async {
        let app = TestApp::new().await;
        let long = |first: char| format!("{first}{}", "\u{1}".repeat(2_047));
        for first in ['a', 'b', 'c'] {
            capture(&app, &long(first)).await;
        }
        let users = all(&app, USERS, 1).await;
        assert_eq!(ids(&users), [long('a'), long('b'), long('c')]);
    });
}

#[test]
fn a_users_sessions_are_found_behind_many_of_others() {
    run(async {
        let app = TestApp::new().await;
        for _ in 0..3 {
            capture(&app, "ann").await;
        }
        // More than a page that looks at one session after the other would look at.
        app.fill_sessions(DialectName::Agntix, 10_010).await;
        let sessions = all(&app, "/sessionary/v1/sessions?user_id=ann", 2).await;
        let users: Vec<&str> = sessions.iter().filter_map(|session| session["user_id"].as_str()).collect();
        assert_eq!(users, ["ann"; 3]);
        let first = app.get("/sessionary/v1/sessions?user_id=ann&limit=2").send().await.expect(200).json();
        assert_eq!(first["data"].as_array().map(Vec::len), Some(2), "the first page has them");
    });
}
