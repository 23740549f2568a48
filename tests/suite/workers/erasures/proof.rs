//! After an erasure, neither a dump by `pg_dump` nor any response contains what was erased; before it, both did.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use http::Method;
use serde_json::Value;
use sessionary::domain::ErasureId;
use sessionary::domain::idempotency::KEY_LIFETIME;
use sessionary::store::admin::{SETTLED_AFTER, Subject};
use sessionary::workers::erasures::carry_out;
use sessionary::workers::{erasure, retention};

use super::planted::{COLUMNS, Person};
use super::reads::{Reads, readable};
use super::requests::work_off;
use super::{TURN, finish, request};
use crate::support::dump::tables_with;
use crate::support::webhooks::{self, settings};
use crate::support::{DATABASE, TestApp, admin, agent_key, agntix, database_url, messaging, run};

/// Operations whose responses contain something of a person who is planted everywhere.
const SHOWING: [&str; 15] = [
    "GET /api/messaging/sessions/{sessionId}/messages",
    "GET /api/v1/sessions/{session_id}/messages",
    "GET /sessionary/v1/exports",
    "GET /sessionary/v1/search",
    "GET /sessionary/v1/sessions",
    "GET /sessionary/v1/sessions/{session_id}",
    "GET /sessionary/v1/sessions/{session_id}/events",
    "GET /sessionary/v1/users",
    "GET /v1/chat/chat/sessions/{sessionId}/messages",
    "GET /v1/chat/contacts",
    "GET /v2/agents/{agent_key}/sessions",
    "GET /v2/agents/{agent_key}/sessions/{session_key}/events",
    "POST /dashboard/api/raw-logs",
    "POST /dashboard/api/user-stories",
    "read_messages of MCP",
];

/// A service of its own with a person, whose sessions are in the feed and have deliveries.
async fn planted() -> (TestApp, Person) {
    let app = readable().await;
    app.clock.advance(TimeDelta::days(-4));
    app.answered_by("echo").await;
    let _ = webhooks::register(&app, app.org, "http://127.0.0.1:9", &sessionary::domain::WebhookEvent::ALL).await;
    let person = Person::plant(&app).await;
    app.conversations.close().await;
    let worker = webhooks::worker(&app, settings()).await;
    let queued = async {
        while admin().await.deliveries(app.org, false, 100).await.expect("deliveries").len() < 2 {
            worker.fan_out().await.expect("a step");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), queued).await.expect("deliveries in time");
    (app, person)
}

/// Returns the tables in whose dumped rows there is one of these texts.
async fn dumped(texts: &[&str]) -> BTreeSet<String> {
    tables_with(&database_url(DATABASE).await, texts).await
}

/// Returns what is searched for: the person's texts, and the ids of the sessions and the contact.
fn texts<'a>(person: &'a Person, ids: &'a [String]) -> Vec<&'a str> {
    let own = [&person.word, &person.user, &person.agntix, &person.contact, &person.messaging];
    own.into_iter().chain(ids).map(String::as_str).collect()
}

/// Returns the tables of the columns in which everything is planted.
fn planted_tables() -> BTreeSet<String> {
    COLUMNS.iter().filter_map(|column| column.split_once('.')).map(|(table, _)| table.to_owned()).collect()
}

/// Returns the UUIDs of the person's sessions, but of the dialect in which organizations share them.
async fn session_ids(app: &TestApp, person: &Person) -> Vec<String> {
    let mut ids = Vec::new();
    for id in [&person.agnost, &person.agntix, &person.agent_key, &person.messaging] {
        ids.push(app.session_called(id).await.session_id.to_string());
    }
    ids
}

#[test]
fn an_erased_user_is_in_no_dump_and_no_response() {
    run(async {
        let (_turn, _webhooks) = (TURN.lock().await, webhooks::alone().await);
        let (app, person) = planted().await;
        let ids = session_ids(&app, &person).await;
        let reads = Reads::of(&app, &person).await;
        let texts = texts(&person, &ids);
        let before = dumped(&texts).await;
        assert!(before.is_superset(&planted_tables()), "{before:?}");
        for table in ["session_feed", "webhook_deliveries"] {
            assert!(before.contains(table), "{before:?}");
        }
        let showing = reads.showing(&app, &person).await;
        let missing: Vec<&str> = SHOWING.into_iter().filter(|operation| !showing.contains(*operation)).collect();
        assert!(missing.is_empty(), "{missing:?} show nothing of the person; {showing:#?} do");

        let path = format!("/sessionary/v1/users/{}/erase", person.user);
        let id = app.ask(Method::POST, &path).send().await.expect(202).member("id");
        finish(&app, ErasureId(id.parse().expect("an id"))).await;
        work_off(&app).await;
        assert_eq!(reads.showing(&app, &person).await, BTreeSet::new());
        assert_eq!(dumped(&texts).await, BTreeSet::from(["idempotency_keys".to_owned()]), "the clients' keys");
        retention::delete_idempotency_keys(admin().await, app.clock.now() + KEY_LIFETIME).await.expect("the database");
        assert_eq!(dumped(&texts).await, BTreeSet::new());
    });
}

/// The vendors' own deletions where there are some, and the service's own API for the other dialects.
#[test]
fn sessions_that_were_deleted_by_their_apis_are_in_no_dump_and_no_response() {
    run(async {
        let (_turn, _webhooks) = (TURN.lock().await, webhooks::alone().await);
        let (app, person) = planted().await;
        let reads = Reads::of(&app, &person).await;
        // Of a session that was deleted by its dialect's own API, the ids and times stay (docs/data-model.md).
        let texts = [person.word.as_str(), &person.user, &person.contact];
        assert!(dumped(&texts).await.is_superset(&planted_tables()));

        let delete = async |path: &str| {
            let reply = app.ask(Method::DELETE, path).send().await;
            assert!(reply.status.is_success(), "{path}: {}", reply.text());
        };
        delete(&format!("{}/{}", agent_key::SESSIONS, person.agent_key)).await;
        delete(&messaging::path_of(&person.messaging, "")).await;
        // A contact is not a part of a session.
        delete(&format!("{}/{}", agntix::CONTACTS, person.contact)).await;
        let list = app.get("/sessionary/v1/sessions?limit=100").send().await.expect(200).json();
        let sessions = list["data"].as_array().expect("rows");
        let theirs: Vec<&Value> = sessions.iter().filter(|row| row["user_id"] == person.user.as_str()).collect();
        assert_eq!(theirs.len(), 4, "{list}");
        for session in theirs {
            delete(&format!("/sessionary/v1/sessions/{}", session["id"].as_str().expect("an id"))).await;
        }

        let (admin, now) = (admin().await, app.clock.now());
        erasure::erase(admin, now).await.expect("the database");
        erasure::erase(admin, now + erasure::SETTLED_AFTER).await.expect("the database");
        carry_out(admin, now).await.expect("the first pass");
        carry_out(admin, now + SETTLED_AFTER).await.expect("the second pass");
        work_off(&app).await;
        assert_eq!(reads.showing(&app, &person).await, BTreeSet::new());
        retention::delete_idempotency_keys(admin, now + KEY_LIFETIME).await.expect("the database");
        assert_eq!(dumped(&texts).await, BTreeSet::new());
    });
}

#[test]
fn an_erased_organization_is_in_no_dump() {
    run(async {
        let (_turn, _webhooks) = (TURN.lock().await, webhooks::alone().await);
        let (app, person) = planted().await;
        let ids = session_ids(&app, &person).await;
        let texts = texts(&person, &ids);
        assert!(dumped(&texts).await.is_superset(&planted_tables()));
        let (admin, now) = (admin().await, app.clock.now());
        admin.change_organization(app.org, |settings| settings.disabled_at = Some(now)).await.expect("a change");
        finish(&app, request(&app, &Subject::Organization).await).await;
        assert_eq!(dumped(&texts).await, BTreeSet::new());
    });
}
