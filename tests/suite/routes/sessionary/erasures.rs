//! `/sessionary/v1/erasures` and `POST /sessionary/v1/users/{user_id}/erase`.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sessionary::store::admin::SETTLED_AFTER;
use sessionary::workers::erasures::carry_out;
use sha2::Sha256;

use super::{all, is_problem, without_request_id};
use crate::support::raw::columns_with;
use crate::support::{MESSAGING_AGENT_ID, TestApp, admin, agntix, messaging, run};
use crate::workers::TURN;

const ERASURES: &str = "/sessionary/v1/erasures";

/// Returns the HMAC-SHA256 that a receipt must show.
fn hash_of(proof: &Value, subject: &str) -> String {
    let proof = proof.as_str().expect("a proof");
    let key: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&proof[at..at + 2], 16).expect("hex")).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(subject.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_user(user: &str) -> String {
    json!({ "user_id": user }).to_string()
}

#[test]
fn a_user_is_erased_and_the_receipt_shows_it() {
    run(async {
        let _turn = TURN.lock().await;
        let app = TestApp::new().await;
        app.clock.advance(TimeDelta::days(-4));
        let user = app.mint.uuid().to_string();
        let body = json!({ "agentId": MESSAGING_AGENT_ID, "userId": user }).to_string();
        let session = app.post(messaging::SESSIONS, body).send().await.expect(201).member("sessionId");
        let other = messaging::create(&app, "").await;
        let entries = all(&app, "/sessionary/v1/audit", 100).await.len();
        let ask = || app.post(ERASURES, of_user(&user)).header("idempotency-key", "one");
        let reply = ask().send().await.expect(202).json();
        let id = reply["id"].as_str().expect("an id").to_owned();
        assert_eq!((&reply["subject"], &reply["state"]), (&json!("user"), &json!("running")));
        assert_eq!((&reply["deleted"], &reply["finished_at"]), (&json!({}), &Value::Null));
        assert_eq!(reply["subject_hash"], hash_of(&reply["proof"], &user));
        let proof = reply["proof"].as_str().expect("a proof").to_owned();
        assert!(columns_with(&proof).await.is_empty(), "the proof is stored nowhere");
        let log = all(&app, "/sessionary/v1/audit", 100).await;
        assert_eq!(log.len(), entries + 1);
        assert_eq!(
            (&log[0]["action"], &log[0]["object"]),
            (&json!("erasure.request"), &json!(format!("erasure/{id}")))
        );
        assert_eq!(log[0]["after"], json!({ "scope": "user" }));

        // The same request again is the same erasure, without its proof.
        let again = ask().send().await.expect(202);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        let mut without_proof = reply.clone();
        without_proof.as_object_mut().expect("an object").remove("proof");
        assert_eq!(again.json(), without_proof);
        assert_eq!(app.get(&format!("{ERASURES}/{id}")).send().await.expect(200).json(), without_proof);

        let now = app.clock.now();
        carry_out(admin().await, now).await.expect("the first pass");
        assert_eq!(app.get(&messaging::path_of(&session, "")).send().await.status, 404);
        app.get(&messaging::path_of(&other, "")).send().await.expect(200);
        let settling = app.get(&format!("{ERASURES}/{id}")).send().await.expect(200).json();
        assert_eq!((&settling["state"], &settling["deleted"]["sessions"]), (&json!("settling"), &json!(1)));
        // Its stored response was cleared, and the request is still the same erasure.
        let cleared = ask().send().await.expect(202);
        assert_eq!((cleared.header("idempotency-replayed"), &cleared.json()), (None, &settling));
        carry_out(admin().await, now + SETTLED_AFTER).await.expect("the second pass");
        let done = app.get(&format!("{ERASURES}/{id}")).send().await.expect(200).json();
        assert_eq!((&done["state"], &done["subject_hash"]), (&json!("done"), &reply["subject_hash"]));
        assert!(done["finished_at"].is_string());
        assert_eq!(all(&app, ERASURES, 10).await, [done]);
        assert!(columns_with(&user).await.is_empty());
    });
}

#[test]
fn a_session_is_erased_by_its_id_over_all_dialects() {
    run(async {
        let _turn = TURN.lock().await;
        let (app, stranger) = (TestApp::new().await, TestApp::new().await);
        app.clock.advance(TimeDelta::days(-4));
        let vendor_id = agntix::create(&app, "").await;
        let row = app.session_called(&vendor_id).await;
        let session = format!("agntix_{}", row.session_id.simple());
        let body = json!({ "session_id": session }).to_string();
        let missing = app.post(ERASURES, json!({ "session_id": "agntix_1" }).to_string()).send().await;
        is_problem(&missing, 404, "not_found");
        let foreign = stranger.post(ERASURES, body.clone()).send().await;
        assert_eq!(without_request_id(&foreign), without_request_id(&missing));

        let reply = app.post(ERASURES, body.clone()).send().await.expect(202).json();
        assert_eq!(reply["subject"], "session");
        assert_eq!(reply["subject_hash"], hash_of(&reply["proof"], &session));
        let of_stranger = stranger.get(&format!("{ERASURES}/{}", reply["id"].as_str().expect("an id"))).send().await;
        let absent = stranger.get(&format!("{ERASURES}/{}", app.mint.uuid())).send().await;
        is_problem(&of_stranger, 404, "not_found");
        assert_eq!(without_request_id(&of_stranger), without_request_id(&absent));
        assert!(all(&stranger, ERASURES, 10).await.is_empty());

        let now = app.clock.now();
        carry_out(admin().await, now).await.expect("the first pass");
        carry_out(admin().await, now + SETTLED_AFTER).await.expect("the second pass");
        assert_eq!(app.get(&agntix::path_of(&vendor_id, "")).send().await.status, 404);
        is_problem(&app.post(ERASURES, body).send().await, 404, "not_found");
    });
}

#[test]
fn erasures_are_listed_newest_first() {
    run(async {
        let _turn = TURN.lock().await;
        let app = TestApp::new().await;
        let mut ids = Vec::new();
        for n in 0..7 {
            // Two at each time.
            app.clock.advance(TimeDelta::seconds(n % 2));
            let reply = app.post(ERASURES, of_user("u")).send().await.expect(202).json();
            ids.push((
                reply["requested_at"].as_str().expect("a time").to_owned(),
                reply["id"].as_str().expect("an id").to_owned(),
            ));
        }
        ids.sort();
        ids.reverse();
        let listed: Vec<String> =
            all(&app, ERASURES, 3).await.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(listed, ids.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    });
}

#[test]
fn a_user_in_a_path_is_percent_encoded() {
    run(async {
        let _turn = TURN.lock().await;
        let app = TestApp::new().await;
        let ask = |user: &str| app.ask(http::Method::POST, &format!("/sessionary/v1/users/{user}/erase"));
        let reply = ask("a%2Fb%20%C3%A9%3F").send().await.expect(202).json();
        assert_eq!(reply["subject_hash"], hash_of(&reply["proof"], "a/b é?"));
        let first = ask("u").header("idempotency-key", "k").json("{}").send().await.expect(202).json();
        let second = ask("u").header("idempotency-key", "k").send().await.expect(202).json();
        assert_eq!(first["id"], second["id"]);
        assert_ne!(ask("u").send().await.expect(202).json()["id"], second["id"]);
        is_problem(&ask("u").json(r#"{"user_id":"v"}"#).send().await, 422, "invalid_body");
        is_problem(&ask("%00").send().await, 404, "not_found");
        is_problem(&ask("%ff").send().await, 400, "invalid_path");
        is_problem(&ask(&"x".repeat(2_049)).send().await, 404, "not_found");
    });
}

#[test]
fn a_legal_hold_and_bad_bodies_stop_a_request() {
    run(async {
        let _turn = TURN.lock().await;
        let app = TestApp::new().await;
        for body in [
            "{}",
            r#"{"user_id":"u","session_id":"agntix_1"}"#,
            r#"{"user_id":null}"#,
            r#"{"user_id":""}"#,
            r#"{"user_id":7}"#,
            r#"{"user_id":"u","everything":true}"#,
        ] {
            is_problem(&app.post(ERASURES, body).send().await, 422, "invalid_body");
        }
        let unknown = app.post(ERASURES, r#"{"user_id":"u","a/b~":true}"#).send().await;
        assert_eq!(unknown.json()["errors"][0]["pointer"], "/a~1b~0");
        is_problem(&app.post(ERASURES, of_user(&"x".repeat(2_049))).send().await, 422, "invalid_body");
        let key = app.key_with("sessions:write,events:write,manage").await;
        let reader = app.post(ERASURES, of_user("u")).anonymous().header("x-api-key", &key);
        is_problem(&reader.send().await, 403, "missing_scope");

        admin().await.set_legal_hold(app.org, Some(app.clock.now())).await.expect("a hold");
        let ask = || app.post(ERASURES, of_user("u")).header("idempotency-key", "held");
        is_problem(&ask().send().await, 409, "legal_hold");
        is_problem(&app.ask(http::Method::POST, "/sessionary/v1/users/u/erase").send().await, 409, "legal_hold");
        assert!(all(&app, ERASURES, 10).await.is_empty());
        admin().await.set_legal_hold(app.org, None).await.expect("no hold");
        ask().send().await.expect(202);
    });
}
