use chrono::TimeDelta;
use http::Method;
use serde_json::json;

use super::{audited, code, pointers};
use crate::support::{TestApp, agnost, agntix, run};
use crate::workers::erasures::TURN;

const RETENTION: &str = "/sessionary/v1/retention";

#[test]
fn the_retention_is_replaced_as_a_whole() {
    run(async {
        let _retention = TURN.lock().await;
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let put = |body: &str| app.ask(Method::PUT, RETENTION).json(body);
        let none = app.get(RETENTION).send().await.expect(200);
        assert_eq!(none.json(), json!({"rules": [], "legal_hold": false, "held_since": null}));
        let tag = none.header("etag").expect("a tag").to_owned();
        let body = r#"{"rules":[{"dialect":"agntix","days":30},{"dialect":null,"days":90}],"legal_hold":true}"#;
        let set = put(body).header("if-match", &tag).send().await.expect(200).json();
        let days = |dialect: &str| {
            let rules = set["rules"].as_array().expect("rules");
            rules.iter().find(|rule| rule["dialect"] == dialect).expect("a rule")["days"].clone()
        };
        assert_eq!(
            (days("agntix"), days("agnost"), set["rules"].as_array().expect("rules").len()),
            (json!(30), json!(90), 5)
        );
        assert_eq!(set["held_since"], "2026-04-29T09:00:00.000Z");
        assert_eq!(code(put(body).header("if-match", &tag).send().await, 412), "precondition_failed");
        assert_eq!(app.get(RETENTION).send().await.expect(200).json(), set);
        assert_eq!(other.get(RETENTION).send().await.expect(200).json()["rules"], json!([]));

        // The hold that exists keeps its beginning, and the same rules are no change.
        app.clock.advance(TimeDelta::days(1));
        let count = audited(&app).await.len();
        assert_eq!(put(body).send().await.expect(200).json(), set);
        assert_eq!(audited(&app).await.len(), count);
        put(r#"{"rules":[],"legal_hold":false}"#).send().await.expect(200);
        let log = audited(&app).await.split_off(count);
        assert_eq!(log.iter().filter(|(action, _)| action == "retention.set").count(), 5);
        assert_eq!(log.last().expect("an entry").0, "legal_hold.end");
    });
}

#[test]
fn wrong_rules_are_named() {
    run(async {
        let _retention = TURN.lock().await;
        let app = TestApp::new().await;
        for (body, pointer) in [
            (r#"{"legal_hold":false}"#, "/rules"),
            (r#"{"rules":[]}"#, "/legal_hold"),
            (r#"{"rules":[{"days":0}],"legal_hold":false}"#, "/rules/0/days"),
            (r#"{"rules":[{"dialect":"x","days":1}],"legal_hold":false}"#, "/rules/0/dialect"),
            (r#"{"rules":[{"days":1},{"days":2}],"legal_hold":false}"#, "/rules/1/dialect"),
            (r#"{"rules":[{"days":1,"hours":2}],"legal_hold":false}"#, "/rules/0/hours"),
            (r#"{"rules":[1],"legal_hold":false}"#, "/rules/0"),
            (r#"{"rules":{},"legal_hold":false}"#, "/rules"),
        ] {
            let found = pointers(app.ask(Method::PUT, RETENTION).json(body).send().await);
            assert!(found.contains(&pointer.to_owned()), "{body}: {found:?}");
        }
        assert_eq!(app.get(RETENTION).send().await.expect(200).json()["rules"], json!([]));
    });
}

#[test]
fn a_preview_counts_and_erases_nothing() {
    run(async {
        let _retention = TURN.lock().await;
        let app = TestApp::new().await;
        agntix::create(&app, "").await;
        agntix::create(&app, "").await;
        let session = app.mint.uuid();
        let body = format!(r#"{{"session_id":"{session}","user_data":{{"user_id":"u"}}}}"#);
        app.post(agnost::CAPTURE_SESSION, body).send().await.expect(200);
        let preview = async |body: &str| app.post("/sessionary/v1/retention/preview", body).send().await;
        let young = preview(r#"{"rules":[{"days":1}]}"#).await.expect(200).json();
        assert_eq!(young, json!({"sessions": {}, "events": 0, "is_complete": true}));
        app.clock.advance(TimeDelta::days(2));
        let old = preview(r#"{"rules":[{"days":1}]}"#).await.expect(200).json();
        assert_eq!(old["sessions"], json!({"agnost": 1, "agntix": 2}));
        // The current rules are those without a body.
        let empty = app.ask(Method::POST, "/sessionary/v1/retention/preview").send().await.expect(200).json();
        assert_eq!(empty["sessions"], json!({}));
        assert_eq!(app.sessions().await, 3);
    });
}
