//! A request that is rejected half-way keeps its key, because it has stored something.

use axum::response::Response;
use axum::routing::post;
use serde_json::Value;
use sessionary::auth::{Caller, purpose};
use sessionary::dialects::agntix::Agntix;
use sessionary::domain::{Contact, DialectName, JsonText, NewSession, SessionId};
use sessionary::http::{Dialect, Rejection};
use sessionary::idempotency::Idempotent;

use super::{PATH, keys, send, with_route};
use crate::support::{run, start};

/// Does what the body says, and is then cancelled at the time limit of its last query.
async fn route(caller: Caller<Agntix, purpose::WriteSessions>, request: Idempotent<Agntix, Value>) -> Response {
    request.respond(caller, rejected_half_way).await
}

async fn rejected_half_way(
    caller: Caller<Agntix, purpose::WriteSessions>,
    body: Value,
) -> Result<Response, <Agntix as Dialect>::Error> {
    let sessions = caller.store.sessions();
    let id = SessionId(caller.mint.uuid());
    let new = |id: SessionId| NewSession::of(DialectName::Agntix, id, id.to_agntix(), caller.now(), caller.mint.uuid());
    let of_body = || SessionId(body["session"].as_str().expect("a session").parse().expect("a UUID"));
    match body["does"].as_str().expect("a deed") {
        "nothing" => {}
        "reads" => drop(sessions.find(DialectName::Agntix, of_body()).await?),
        "creates" => drop(sessions.create(new(id)).await?),
        "finds it taken" => drop(sessions.create(new(of_body())).await?),
        "changes" => {
            let change = sessions.change((DialectName::Agntix, of_body()), caller.mint.uuid());
            change.apply(|session| session.name = Some("another".to_owned())).await?;
        }
        "changes nothing" => {
            let change = sessions.change((DialectName::Agntix, of_body()), caller.mint.uuid());
            change.apply(|_| ()).await?;
        }
        "adds a contact" => {
            let contact = Contact {
                id: caller.mint.uuid(),
                external_id: None,
                name: None,
                phone: None,
                email: None,
                metadata: JsonText::empty_object(),
                tags: Vec::new(),
                created_at: caller.now(),
            };
            caller.store.contacts().create(&contact).await?;
        }
        other => panic!("{other}"),
    }
    Err(Rejection::QueryTooSlow.into())
}

#[test]
fn a_rejected_request_frees_its_key_only_if_it_committed_nothing() {
    run(async {
        for (deed, is_effect) in [
            ("nothing", false),
            ("reads", false),
            ("finds it taken", false),
            ("changes nothing", false),
            ("creates", true),
            ("changes", true),
            ("adds a contact", true),
        ] {
            let app = with_route(post(route)).await;
            let id = SessionId(app.mint.uuid());
            let new = NewSession::of(DialectName::Agntix, id, id.to_agntix(), start(), app.mint.uuid());
            app.tenant().await.sessions().create(new).await.expect("a session");
            let body = format!(r#"{{"does":"{deed}","session":"{}"}}"#, id.0);
            let first = send(&app, PATH, "k", &body).await.expect(422);
            assert_eq!(keys(&app).await, i64::from(is_effect), "{deed}");
            let sessions = app.sessions().await;

            // The same request again is carried out as the same request.
            let again = send(&app, PATH, "k", &body).await.expect(422);
            assert_eq!(again.json()["error"]["code"], first.json()["error"]["code"], "{deed}");
            assert_eq!((keys(&app).await, app.sessions().await), (i64::from(is_effect), sessions), "{deed}");

            // Another request can have the key only if it is free.
            let other = format!(r#"{{"does":"nothing","session":"{}"}}"#, id.0);
            let code = send(&app, PATH, "k", &format!("{other} ")).await.expect(422).json()["error"]["code"].clone();
            assert_eq!(code == first.json()["error"]["code"], !is_effect, "{deed}: {code}");
        }
    });
}
