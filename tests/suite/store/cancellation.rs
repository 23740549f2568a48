//! A caller may disconnect at any moment: its future is dropped wherever it waits, and what is acknowledged afterwards
//! must not depend on what it left behind.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::poll_fn;
use http::Method;
use sessionary::domain::{ApiKey, DialectName, KeyPrefix, Mint, OrgId};
use sessionary::store::admin::{AdminStore, NewOrganization};
use sessionary::store::{Store, StoreSettings};

use crate::support::{AGENT_ID, DATABASE, Setup, TestApp, connection, database, run, start};

/// Polls a future as often as it asks to be polled, and drops it after `polls` polls. Returns its output if it was
/// ready before.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(move |context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Returns settings with one connection per pool, so that the next caller gets the connection of the dropped future.
fn one_of_each() -> StoreSettings {
    StoreSettings {
        writers: 1,
        readers: 1,
        keyed: 1,
        pool: 1,
        scans: 1,
        lookups: 1,
        lookup_cache: Duration::ZERO,
        ..StoreSettings::default()
    }
}

/// The request of a caller: method, path and JSON body, if there is one.
type Call = (Method, String, Option<&'static str>);

const AGENT: &str = r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","metadata":{"userId":"u"}}"#;
const CONVERSATION: &str = r#"{"conversation_id":"22222222-2222-4222-8222-222222222222"}"#;
const EVENT: &str = r#"{"event_id":"11111111-1111-4111-8111-111111111111","session_id":"22222222-2222-4222-8222-222222222222","primitive_name":"a","args":"x","result":"y","latency":1}"#;

/// Returns requests that reach every part of the store that a request can reach.
fn calls(session: &str, contact: &str, key: &str) -> Vec<Call> {
    let get = |path: &str| (Method::GET, path.to_owned(), None);
    let post = |path: &str, body: &'static str| (Method::POST, path.to_owned(), Some(body));
    let agntix = format!("/v1/chat/chat/sessions/{session}");
    vec![
        post(
            "/api/v1/capture-session",
            r#"{"session_id":"22222222-2222-4222-8222-222222222222","user_data":{"user_id":"u"}}"#,
        ),
        post("/api/v1/capture-event", EVENT),
        post("/dashboard/api/raw-logs", "{}"),
        post("/dashboard/api/user-stories", "{}"),
        post("/dashboard/api/errors", "{}"),
        post("/dashboard/api/dashboard", "{}"),
        post("/dashboard/api/command-center-summary", "{}"),
        post("/dashboard/api/metadata-distribution", "{}"),
        post("/dashboard/api/tool-stats", "{}"),
        post("/dashboard/api/conversation-messages", CONVERSATION),
        post("/dashboard/api/spotlight-search", r#"{"query":"x"}"#),
        get("/dashboard/api/dashboard/charts"),
        post("/v1/chat/chat/sessions", AGENT),
        get("/v1/chat/chat/sessions"),
        get(&agntix),
        get(&format!("{agntix}/messages")),
        post(&format!("{agntix}/messages"), r#"{"content":"hello"}"#),
        get("/v1/chat/contacts"),
        post("/v1/chat/contacts", r#"{"name":"Ann","email":"ann@example.com"}"#),
        (Method::PATCH, format!("/v1/chat/contacts/{contact}"), Some(r#"{"name":"Bob"}"#)),
        get("/v1/chat/api-keys"),
        post("/v1/chat/api-keys", r#"{"name":"k"}"#),
        (Method::PATCH, format!("/v1/chat/api-keys/{key}"), Some(r#"{"name":"other"}"#)),
        get("/v2/chat/agents"),
        post("/v2/chat/agents", r#"{"name":"An agent"}"#),
        get("/v2/agents"),
        post("/v2/agents", r#"{"name":"Another"}"#),
        (Method::PATCH, "/v2/agents/customer_support".to_owned(), Some(r#"{"description":"d"}"#)),
        post("/v2/agents/customer_support/sessions", r#"{"name":"s"}"#),
        get("/v2/agents/customer_support/sessions"),
        get("/v2/agents/customer_support/sessions?metadata_filter=doc.a%20%3D%201"),
        get("/api/messaging/sessions"),
        get("/api/messaging/sessions/health"),
        post("/api/v1/sessions", r#"{"agent_id":123}"#),
        get("/api/v1/sessions"),
        get("/api/v1/agents"),
        post("/api/v1/agents", r#"{"name":"One more"}"#),
        get("/api/v1/avatars"),
        post("/api/v1/avatars", r#"{"name":"A","url":"https://example.com/a.png"}"#),
        get("/readyz"),
    ]
}

/// Sends one call and drops it after `polls` polls. Returns its status, or `None` if it was dropped.
async fn send(app: &TestApp, (method, path, body): &Call, key: Option<&str>, polls: usize) -> Option<u16> {
    let mut ask = app.ask(method.clone(), path);
    if let Some(key) = key {
        ask = ask.header("idempotency-key", key);
    }
    if let Some(body) = body {
        ask = ask.json(*body);
    }
    dropped_after(polls, ask.send()).await.map(|reply| reply.status.as_u16())
}

/// Writes through each pool, and checks over another connection that the write was committed.
#[expect(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]
async fn what_is_acknowledged_is_committed(app: &TestApp, store: &Store, after: &str) {
    let mint = Mint::system();
    let name = mint.hex(8);
    let text = sessionary::domain::JsonText::of(&name).expect("JSON");
    store.tenant(app.org).dashboard().set(&name, &text).await.expect("a setting");
    let token = ApiKey::generate(&KeyPrefix::default(), &mint);
    let key = ApiKey::parse(&app.key).expect("a key");
    let (now, end) = (start(), start() + chrono::TimeDelta::minutes(30));
    let hashes = (token.hash(), key.hash());
    store.directory().keep_access_token(app.org, hashes, now, end).await.expect("a token");

    let mut system = connection("sessionary_system", DATABASE).await;
    let settings: i64 = sqlx::query_scalar("SELECT count(*) FROM dashboard_settings WHERE org_id = $1 AND name = $2")
        .bind(app.org)
        .bind(&name)
        .fetch_one(&mut system)
        .await
        .expect("a count");
    assert_eq!(settings, 1, "a setting was acknowledged and is not committed, after {after}");
    let tokens: i64 = sqlx::query_scalar("SELECT count(*) FROM access_tokens WHERE token_hash = $1")
        .bind(token.hash().as_bytes())
        .fetch_one(&mut system)
        .await
        .expect("a count");
    assert_eq!(tokens, 1, "a token was acknowledged and is not committed, after {after}");
}

#[test]
fn a_request_dropped_at_any_poll_leaves_nothing_half_done_behind() {
    run(async {
        let store = Store::connect(database().await, one_of_each()).await.expect("a store");
        let app = TestApp::with(Setup { store: Some(store.clone()), ..Setup::default() }).await;
        app.limit_to(1_000_000).await;
        let made = |path: &str, body: &str, member: &str| {
            let (ask, member) = (app.post(path, body), member.to_owned());
            async move {
                let made = ask.send().await.json();
                made[&member].as_str().expect("an id").to_owned()
            }
        };
        let session = made("/v1/chat/chat/sessions", AGENT, "id").await;
        let contact = made("/v1/chat/contacts", r#"{"name":"Ann","email":"a@example.com"}"#, "id").await;
        let key = made("/v1/chat/api-keys", r#"{"name":"k"}"#, "id").await;
        let mut polls_of_all = 0;
        for call in calls(&session, &contact, &key) {
            // Writes once more with a key, whose claim is a separate transaction.
            let keys = if call.0 == Method::POST { vec![None, Some(())] } else { vec![None] };
            for keyed in keys {
                for polls in 1.. {
                    let idempotency_key = keyed.map(|()| app.mint.hex(16));
                    let status = send(&app, &call, idempotency_key.as_deref(), polls).await;
                    what_is_acknowledged_is_committed(&app, &store, &format!("{call:?}, {polls} polls")).await;
                    polls_of_all += 1;
                    if let Some(status) = status {
                        // A repeated name can be taken; nothing else prevents a call from reaching the store.
                        assert!(status < 300 || status == 409, "{call:?}: {status}");
                        break;
                    }
                }
            }
        }
        assert!(polls_of_all > 200, "{polls_of_all}");
        store.close().await;
    });
}

#[test]
fn an_administrators_call_dropped_at_any_poll_leaves_its_connections_sound() {
    run(async {
        let admin = AdminStore::connect(database().await).await.expect("an administrator");
        let mint = Mint::system();
        for polls in 1.. {
            let org = OrgId(mint.uuid());
            let new = NewOrganization {
                id: org,
                name: "dropped",
                external_id: None,
                issuer: "",
                responder: &sessionary::domain::Responder::None,
                created_at: start(),
            };
            let made = dropped_after(polls, admin.create_organization(&new)).await;
            // Both connections of its pool are used, so that the dropped one is among them.
            for _ in 0..2 {
                let witness = OrgId(mint.uuid());
                admin
                    .create_organization(&NewOrganization { id: witness, name: "witness", ..new })
                    .await
                    .expect("an organization");
                let seen = crate::support::admin().await.organization(&witness.to_string()).await;
                assert!(seen.is_ok(), "an organization was acknowledged and is not committed, after {polls} polls");
            }
            if made.is_some() {
                break;
            }
        }
        admin.close().await;
    });
}

#[test]
fn a_session_that_was_being_read_is_found_afterwards() {
    run(async {
        let store = Store::connect(database().await, one_of_each()).await.expect("a store");
        let app = TestApp::with(Setup { store: Some(store.clone()), ..Setup::default() }).await;
        let agent = AGENT_ID;
        let made = app.post("/v1/chat/chat/sessions", format!(r#"{{"agentId":"{agent}"}}"#)).send().await.json();
        let id = made["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/chat/chat/sessions/{id}");
        for polls in 1.. {
            if send(&app, &(Method::GET, path.clone(), None), None, polls).await.is_some() {
                break;
            }
            assert_eq!(app.get(&path).send().await.status, 200);
        }
        assert_eq!(app.session_called(&id).await.dialect, DialectName::Agntix.code());
        store.close().await;
    });
}
