//! One person is erased, and no one else.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sessionary::domain::erasure::subject_hash;
use sessionary::domain::idempotency::KEY_LIFETIME;
use sessionary::domain::{DialectName, ErasureScope, Timestamp};
use sessionary::store::SessionRow;
use sessionary::store::admin::{Counts, SETTLED_AFTER, Subject};
use sessionary::workers::captures::{fold_totals, index, note_backlog, recount};
use sessionary::workers::erasures::carry_out;
use sessionary::workers::retention::delete_idempotency_keys;

use super::planted::{COLUMNS, Person};
use super::{TURN, app, finish, request};
use crate::support::raw::columns_with;
use crate::support::webhooks::Hooks;
use crate::support::{TestApp, admin, agent_key, messaging, run};

/// Returns how many totals of the organization differ from its events.
async fn wrong_totals(app: &TestApp) -> u64 {
    let (mut from, mut wrong) = (Timestamp::UNIX_EPOCH, 0);
    while let Some(batch) = admin().await.rebuild_captured_totals(app.org, from).await.expect("a batch") {
        wrong += batch.repaired;
        from = batch.until;
    }
    wrong
}

/// Does what the worker of captured events does, until the totals of now are folded.
pub async fn work_off(app: &TestApp) {
    let admin = admin().await;
    note_backlog(admin).await.expect("a note");
    index(admin).await.expect("an index");
    recount(admin).await.expect("maxima");
    fold_totals(admin, app.clock.now() + TimeDelta::days(2)).await.expect("folded totals");
}

/// Returns the UUIDs of the person's sessions, except for the dialect in which organizations share them.
async fn session_ids(app: &TestApp, person: &Person) -> Vec<String> {
    let rows = admin().await.sessions(app.org, None, None, 1_000).await.expect("sessions");
    let is_theirs = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains(&person.user));
    let has_own_uuid = |row: &SessionRow| row.dialect != DialectName::IntegerId.code();
    let theirs = rows
        .into_iter()
        .filter(has_own_uuid)
        .filter(|row| is_theirs(&row.user_id) || is_theirs(&row.metadata) || row.detail.contains(&person.user));
    theirs.map(|row| row.session_id.to_string()).collect()
}

fn set(columns: &[&str]) -> BTreeSet<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

#[test]
fn no_table_and_no_route_has_anything_of_an_erased_person() {
    run(async {
        let _turn = TURN.lock().await;
        let hooks = Hooks::new().await;
        let app = &hooks.app;
        app.clock.advance(TimeDelta::days(-4));
        app.answered_by("echo").await;
        let _endpoint = hooks.willing().await;
        let (erased, other) = (Person::plant(app).await, Person::plant(app).await);
        app.conversations.close().await;
        hooks.fanned_out(4).await;
        let ids = session_ids(app, &erased).await;
        // Two captured conversations, and one session of each of three dialects.
        assert_eq!(ids.len(), 5, "{ids:?}");
        let mut planted = columns_with(&erased.word).await;
        planted.extend(columns_with(&erased.user).await);
        let missing: Vec<_> = set(&COLUMNS).difference(&planted).cloned().collect();
        assert!(missing.is_empty(), "not planted: {missing:?}");
        let mut with_id = BTreeSet::new();
        for id in &ids {
            with_id.extend(columns_with(id).await);
        }
        for table in ["session_feed.session_id", "webhook_deliveries.session_id", "captured_events.session_id"] {
            assert!(with_id.contains(table), "{with_id:?}");
        }
        let others = other.columns().await;
        let preview =
            admin().await.preview_erasure(app.org, &Subject::User(erased.user.clone())).await.expect("a preview");
        assert_eq!(preview.sessions.values().sum::<u64>(), 6, "{preview:?}");
        assert_eq!(preview.contacts, 1);
        assert_eq!(other.columns().await, others, "a preview changes nothing");

        let id = request(app, &Subject::User(erased.user.clone())).await;
        let receipt = finish(app, id).await;
        work_off(app).await;

        let keys = set(&["idempotency_keys.key"]);
        assert_eq!(columns_with(&erased.word).await, keys, "only the caller's own keys are left, for a day");
        assert_eq!(columns_with(&erased.user).await, BTreeSet::new());
        for id in ids.iter().chain([&erased.contact]) {
            assert_eq!(columns_with(id).await, BTreeSet::new());
        }
        assert_eq!(erased.statuses(app).await, [404; 4]);
        let read = Person::read_everywhere(app, &erased.word).await;
        assert!(!read.contains(&erased.word) && !read.contains(&erased.user), "{read}");

        // The other person's data is what it was, except for the stored responses. The totals agree with the events.
        let mut after = other.columns().await;
        after.insert("idempotency_keys.answer".to_owned());
        assert_eq!(after, others);
        assert_eq!(other.statuses(app).await, [200; 4]);
        assert!(Person::read_everywhere(app, &other.word).await.contains(&other.word));
        assert_eq!(wrong_totals(app).await, 0);

        assert_eq!(receipt.scope, ErasureScope::User);
        assert_eq!(receipt.subject_hash.as_deref(), Some(&subject_hash(&[7; 32], &erased.user)[..]));
        let rows = |table: &str| receipt.counts.get(table).copied().unwrap_or_default();
        assert_eq!((rows("sessions"), rows("contacts"), rows("captured_events")), (6, 1, 4), "{receipt:?}");
        assert_eq!(rows("webhook_deliveries"), 2, "{receipt:?}");
        assert!(rows("session_events") > 10 && rows("session_feed") > 2 && rows("idempotency_keys") > 8, "{receipt:?}");

        // Again: there is nothing left, except what was stored of others since.
        let again = finish(app, request(app, &Subject::User(erased.user.clone())).await).await;
        assert_eq!(again.counts, Counts::new());

        delete_idempotency_keys(admin().await, app.clock.now() + KEY_LIFETIME).await.expect("the database");
        assert_eq!(columns_with(&erased.word).await, BTreeSet::new());
    });
}

#[test]
fn a_cleared_response_is_generated_again_and_creates_nothing_twice() {
    run(async {
        let (app, _turn) = app().await;
        let user = app.mint.uuid().to_string();
        let session = |key: &str, user: &str| {
            let body = format!(r#"{{"key":"{key}","name":"n","metadata":{{"userId":"{user}"}}}}"#);
            app.post(agent_key::SESSIONS, body).header("idempotency-key", format!("k-{key}"))
        };
        let first = session("stays", "someone").send().await.expect(201);
        session("goes", &user).send().await.expect(201);
        finish(&app, request(&app, &Subject::User(user.clone())).await).await;
        let again = session("stays", "someone").send().await.expect(201);
        assert!(again.headers.get("idempotency-replayed").is_none(), "it is not stored any more");
        assert_eq!(again.json(), first.json());
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn what_comes_during_the_first_pass_goes_in_the_second() {
    run(async {
        let (app, _turn) = app().await;
        let user = app.mint.uuid().to_string();
        let create = || {
            let body = format!(r#"{{"agentId":"{}","userId":"{user}"}}"#, crate::support::MESSAGING_AGENT_ID);
            app.post(messaging::SESSIONS, body).send()
        };
        create().await.expect(201);
        let id = request(&app, &Subject::User(user.clone())).await;
        carry_out(admin().await, app.clock.now()).await.expect("the first pass");
        assert_eq!(app.sessions().await, 0);
        create().await.expect(201);
        carry_out(admin().await, app.clock.now() + SETTLED_AFTER).await.expect("the second pass");
        assert_eq!(app.sessions().await, 0);
        assert_eq!(admin().await.receipt(id).await.expect("a receipt").counts["sessions"], 2);
    });
}

#[test]
fn an_erasure_continues_where_it_was_and_counts_each_row_once() {
    run(async {
        let (app, _turn) = app().await;
        for key in ["one", "two"] {
            agent_key::session(&app, key, &serde_json::json!({ "metadata": { "user_id": "u-1" } })).await;
            app.fill_sized_events(key, ("input_message", r#"{"text":"x"}"#), 2_500, 10).await;
        }
        let id = request(&app, &Subject::User("u-1".to_owned())).await;
        // Every step is a transaction of its own; a process may end after each of them, or during one.
        let (admin, now) = (&admin().await.shard_of(app.org), app.clock.now());
        let mut steps = 0;
        while steps < 4 {
            // An interrupted step is rolled back beside the next one, which finds nothing until then.
            steps += usize::from(admin.erasure_step(now, super::before(app.org)).await.expect("a step").is_some());
            let step = admin.erasure_step(now, super::before(app.org));
            drop(tokio::time::timeout(std::time::Duration::ZERO, step).await);
        }
        let so_far = admin.receipt(id).await.expect("a receipt");
        assert!(so_far.counts["session_events"] < 5_000, "{so_far:?}");
        let (one, two) = tokio::join!(carry_out(admin, now), carry_out(admin, now));
        one.and(two).expect("the first pass");
        carry_out(admin, now + SETTLED_AFTER).await.expect("the second pass");
        let receipt = admin.receipt(id).await.expect("a receipt");
        assert_eq!((receipt.counts["sessions"], receipt.counts["session_events"]), (2, 5_000), "{receipt:?}");
        assert!(receipt.done_at.is_some());
    });
}
