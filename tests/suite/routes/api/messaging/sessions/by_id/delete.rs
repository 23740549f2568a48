//! `DELETE /api/messaging/sessions/{id}`.

use chrono::TimeDelta;
use futures::future::join_all;
use http::Method;
use serde_json::json;

use crate::support::messaging::{self, create, create_timed, error_of, path_of};
use crate::support::{Ask, TestApp, run};

fn delete<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.ask(Method::DELETE, path)
}

#[test]
fn a_deleted_session_is_gone() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let reply = delete(&app, &path_of(&id, "")).send().await.expect(200);
        let said = format!("Session {id} deleted successfully");
        assert_eq!(reply.text(), json!({ "success": true, "message": said, "data": { "success": true } }).to_string());
        for (method, below, body) in [
            (Method::GET, "", ""),
            (Method::DELETE, "", ""),
            (Method::GET, "/messages", ""),
            (Method::POST, "/messages", r#"{"content":"hello"}"#),
            (Method::POST, "/renew", ""),
            (Method::POST, "/heartbeat", ""),
            (Method::PATCH, "/timeout", "{}"),
        ] {
            let reply = app.ask(method.clone(), &path_of(&id, below)).json(body).send().await;
            error_of(&reply, 404, "SESSION_NOT_FOUND");
        }
        assert!(app.session_called(&id).await.ended_at.is_some());
    });
}

#[test]
fn an_expired_session_can_be_deleted_until_its_expiry_was_told() {
    run(async {
        let app = TestApp::new().await;
        let (untold, told) = (create_timed(&app, r#""timeoutMinutes":5"#).await, create(&app, "").await);
        app.clock.advance(TimeDelta::minutes(31));
        delete(&app, &path_of(&untold, "")).send().await.expect(200);
        error_of(&app.get(&path_of(&untold, "")).send().await, 404, "SESSION_NOT_FOUND");
        error_of(&app.get(&path_of(&told, "")).send().await, 410, "SESSION_EXPIRED");
        error_of(&delete(&app, &path_of(&told, "")).send().await, 404, "SESSION_NOT_FOUND");
    });
}

#[test]
fn of_many_deletions_at_once_one_is_told_of_its_success() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "");
        let replies = join_all((0..16).map(|_| delete(&app, &path).send())).await;
        let deleted = replies.iter().filter(|reply| reply.status == 200).count();
        let missed = replies.iter().filter(|reply| reply.status == 404).count();
        assert_eq!((deleted, missed), (1, 15));
    });
}

#[test]
fn a_deletion_among_renewals_and_messages_is_the_last_word() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let (session, beat, messages) = (path_of(&id, ""), path_of(&id, "/heartbeat"), path_of(&id, "/messages"));
        let asks = (0..24).map(|n| match n % 8 {
            5 => app.ask(Method::DELETE, &session).send(),
            odd if odd % 2 == 1 => app.ask(Method::POST, &beat).send(),
            // Each has another text, because a repeated text is the same message while there is no reply.
            _ => app.post(&messages, format!(r#"{{"content":"hello {n}"}}"#)).send(),
        });
        let replies = join_all(asks).await;
        assert!(replies.iter().all(|reply| [200, 201, 404].contains(&reply.status.as_u16())));
        let sent = replies.iter().filter(|reply| reply.status == 201).count();
        app.conversations.close().await;
        let row = app.session_called(&id).await;
        let events = crate::support::admin().await.events(&row, 0, 1_000).await.expect("events");
        assert_eq!(events.iter().filter(|event| event.kind == "user").count(), sent);
        assert_eq!(
            events.iter().map(|event| event.number).collect::<Vec<_>>(),
            (1..=events.len() as i64).collect::<Vec<_>>()
        );
    });
}

#[test]
fn what_is_not_there_is_404() {
    run(async { messaging::misses_what_is_not_there(&TestApp::new().await, "", delete).await });
}

#[test]
fn deleting_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "");
        messaging::asks_for_a_credential(&app, &path, "sessions:write", delete).await;
    });
}
