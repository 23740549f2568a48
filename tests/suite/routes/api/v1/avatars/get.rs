//! `GET /api/v1/avatars` and `GET /api/v1/avatars/public`.

use chrono::Duration;
use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::integer_id::AVATARS;
use crate::support::{TestApp, run};

#[test]
fn the_list_is_a_bare_array_newest_first_with_booleans_as_integers() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        other.post(AVATARS, r#"{"name":"theirs","url":"https://a.example/x"}"#).send().await.expect(201);
        app.clock.advance(Duration::seconds(1));
        let body = r#"{"name":"New","url":"https://a.example/x","is_public":true}"#;
        app.post(AVATARS, body).send().await.expect(201);
        let listed = app.get(AVATARS).send().await.expect(200).json();
        assert_json_snapshot!(listed, { "[0].id" => "[id]" }, @r#"
        [
          {
            "id": "[id]",
            "user_id": null,
            "name": "New",
            "url": "https://a.example/x",
            "voice_id": null,
            "is_favorite": 0,
            "is_public": 1,
            "created_at": "2026-04-29T09:00:01Z",
            "updated_at": "2026-04-29T09:00:01Z"
          },
          {
            "id": 1,
            "user_id": null,
            "name": "Professional Avatar",
            "url": "https://example.com/avatar.jpg",
            "voice_id": "21m00Tcm4TlvDq8ikWAM",
            "is_favorite": 0,
            "is_public": 0,
            "created_at": "2026-04-29T09:00:00Z",
            "updated_at": "2026-04-29T09:00:00Z"
          }
        ]
        "#);
        let public = app.get(&format!("{AVATARS}/public")).send().await.expect(200).json();
        assert_eq!(public, json!([listed[0]]));
        for cursor in ["x", "1.0", "-1.1", "1.9007199254740993"] {
            app.get(&format!("{AVATARS}?cursor={cursor}")).send().await.expect(400);
        }
    });
}

#[test]
fn public_avatars_are_found_behind_any_number_of_private_ones() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"name":"Old","url":"https://a.example/x","is_public":true}"#;
        let id = app.post(AVATARS, body).send().await.expect(201).json()["id"].clone();
        app.fill_avatars(1_001).await;
        let public = app.get(&format!("{AVATARS}/public")).send().await.expect(200);
        assert_eq!(public.json()[0]["id"], id);
        assert_eq!((public.json().as_array().map(Vec::len), public.header("x-next-cursor")), (Some(1), None));

        let first = app.get(AVATARS).send().await.expect(200);
        assert_eq!(first.json().as_array().map(Vec::len), Some(1_000));
        let cursor = first.header("x-next-cursor").expect("a cursor");
        let rest = app.get(&format!("{AVATARS}?cursor={cursor}")).send().await.expect(200);
        assert_eq!((rest.json().as_array().map(Vec::len), rest.header("x-next-cursor")), (Some(3), None));
    });
}
