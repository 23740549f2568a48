//! `POST /api/v1/avatars`.

use serde_json::json;

use crate::support::integer_id::{AVATARS, members};
use crate::support::{TestApp, run};

#[test]
fn an_avatar_is_made_under_a_number_of_its_own() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"name":"Professional Avatar","url":"https://example.com/avatar.jpg","voice_id":"v1"}"#;
        let created = app.post(AVATARS, body).send().await.expect(201).json();
        assert_eq!(members(&created), ["id", "message"]);
        assert_eq!(created["message"], "Avatar created");
        let again = app.post(AVATARS, body).send().await.expect(201).json();
        assert_ne!(again["id"], created["id"]);
        assert_ne!(again["id"], 1);
    });
}

#[test]
fn name_and_url_are_required_and_held_to_their_kind() {
    run(async {
        let app = TestApp::new().await;
        for (body, said) in [
            ("{}", "name and url required"),
            (r#"{"name":"x"}"#, "name and url required"),
            (r#"{"url":"https://example.com/a.jpg"}"#, "name and url required"),
            (r#"{"name":"","url":"https://example.com/a.jpg"}"#, "name must be a string of 1 to 200 characters"),
            (r#"{"name":"x","url":"javascript:alert(1)"}"#, "url must be an http or https URL of at most 2048 bytes"),
            (r#"{"name":"x","url":5}"#, "url must be an http or https URL of at most 2048 bytes"),
            (r#"{"name":"x","url":"https://a.example","is_public":2}"#, "is_public must be a boolean"),
            (
                r#"{"name":"x","url":"https://a.example","voice_id":5}"#,
                "voice_id must be a string of at most 200 characters",
            ),
        ] {
            let refused = app.post(AVATARS, body).send().await.expect(400);
            assert_eq!(refused.json(), json!({"error": said}), "{body}");
        }
    });
}
