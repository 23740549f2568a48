//! `PUT` and `DELETE /api/v1/avatars/{avatar_id}`.

use http::Method;
use serde_json::{Value, json};

use crate::support::integer_id::{AGENTS, AVATARS, NOBODYS_IDS, session, start_session};
use crate::support::{AGENT_NUMBER, Reply, TestApp, run};

async fn put(app: &TestApp, id: impl std::fmt::Display, body: &str) -> Reply {
    app.ask(Method::PUT, &format!("{AVATARS}/{id}")).json(body).send().await
}

async fn delete(app: &TestApp, id: impl std::fmt::Display) -> Reply {
    app.ask(Method::DELETE, &format!("{AVATARS}/{id}")).send().await
}

#[test]
fn what_is_given_is_changed() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"name":"Other","is_favorite":true,"voice_id":null}"#;
        assert_eq!(put(&app, 1, body).await.expect(200).text(), r#"{"success":true}"#);
        let listed = app.get(AVATARS).send().await.expect(200).json();
        let avatar = &listed[0];
        assert_eq!((&avatar["name"], &avatar["is_favorite"]), (&json!("Other"), &json!(1)));
        assert_eq!((&avatar["voice_id"], &avatar["url"]), (&Value::Null, &json!("https://example.com/avatar.jpg")));
        assert_eq!(put(&app, 1, "{}").await.expect(400).text(), r#"{"error":"No fields to update"}"#);
    });
}

#[test]
fn a_session_tells_of_its_avatar_as_it_was_when_it_started() {
    run(async {
        let app = TestApp::new().await;
        let first = start_session(&app, "").await;
        put(&app, 1, r#"{"name":"Renamed","url":"https://example.com/other.jpg"}"#).await.expect(200);
        let second = start_session(&app, "").await;
        assert_eq!(delete(&app, 1).await.expect(200).text(), r#"{"success":true}"#);
        let third = start_session(&app, "").await;
        let wore = |session: &Value| {
            [session["avatar_id"].clone(), session["avatar_name"].clone(), session["avatar_url"].clone()]
        };
        assert_eq!(
            wore(&session(&app, first).await),
            [json!(1), json!("Professional Avatar"), json!("https://example.com/avatar.jpg")]
        );
        assert_eq!(
            wore(&session(&app, second).await),
            [json!(1), json!("Renamed"), json!("https://example.com/other.jpg")]
        );
        let without = session(&app, third).await;
        assert_eq!(wore(&without), [Value::Null, Value::Null, Value::Null]);
        assert_eq!(without["voice_id"], Value::Null);
        let agent = app.get(&format!("{AGENTS}/{AGENT_NUMBER}")).send().await.expect(200).json();
        assert_eq!(agent["avatar_id"], Value::Null);
    });
}

#[test]
fn nobodys_avatars_and_somebody_elses_are_not_found() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let body = r#"{"name":"theirs","url":"https://a.example/x"}"#;
        let theirs = other.post(AVATARS, body).send().await.expect(201).json()["id"].to_string();
        for id in NOBODYS_IDS.into_iter().chain([theirs.as_str()]) {
            let missing = r#"{"error":"Avatar not found"}"#;
            assert_eq!(put(&app, id, r#"{"name":"x"}"#).await.expect(404).text(), missing, "{id}");
            assert_eq!(delete(&app, id).await.expect(404).text(), missing, "{id}");
        }
        delete(&app, 1).await.expect(200);
        delete(&app, 1).await.expect(404);
        delete(&other, 1).await.expect(200);
    });
}
