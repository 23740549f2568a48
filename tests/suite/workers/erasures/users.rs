//! The sessions of a user are found by each of the ids that name the user, and so are those that are older than the index.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use chrono::TimeDelta;
use http::Method;
use serde_json::json;
use sessionary::domain::{ErasureId, Mint, OrgId};
use sessionary::store::admin::{AdminStore, NewErasure, Subject};
use sessionary::store::{Store, StoreSettings};
use sessionary::workers::erasures::carry_out;
use sessionary::workers::users::store_users;

use super::{app, finish, request};
use crate::support::{
    DATABASE, TestApp, admin, agent_key, agntix, connection, database_called, make_database, run, start,
};

async fn aliases(app: &TestApp) -> Vec<String> {
    let mut system = connection("sessionary_system", DATABASE).await;
    let aliases = sqlx::query_scalar("SELECT user_id FROM session_aliases WHERE org_id = $1 ORDER BY user_id");
    aliases.bind(app.org).fetch_all(&mut system).await.expect("aliases")
}

/// Erases a user. Returns how many sessions went, which are as many as the preview has announced.
async fn erased(app: &TestApp, user: &str) -> u64 {
    let subject = Subject::User(user.to_owned());
    let preview = admin().await.preview_erasure(app.org, &subject).await.expect("a preview");
    let receipt = finish(app, request(app, &subject).await).await;
    let sessions = receipt.counts.get("sessions").copied().unwrap_or_default();
    assert_eq!(preview.sessions.values().sum::<u64>(), sessions, "{preview:?} {receipt:?}");
    sessions
}

#[test]
fn a_session_goes_with_each_of_the_ids_in_it() {
    run(async {
        let (app, _turn) = app().await;
        let create = async || {
            let contact = app.mint.uuid();
            let ids = ["external", "m", "s"].map(|id| format!("{id}-{contact}"));
            let [external_id, user, user_in_snake_case] = &ids;
            let members = format!(
                r#""contact":{{"externalId":"{external_id}","id":"{contact}"}},
                   "metadata":{{"userId":"{user}","user_id":"{user_in_snake_case}"}}"#
            );
            agntix::create(&app, &members).await;
            [ids.to_vec(), vec![contact.to_string()]].concat()
        };
        for place in 0..4 {
            let (ids, others) = (create().await, create().await);
            assert_eq!(aliases(&app).await.len(), 6);
            assert_eq!(erased(&app, &ids[place]).await, 1, "{place}");
            assert_eq!((aliases(&app).await.len(), app.sessions().await), (3, 1));
            assert_eq!(erased(&app, &others[0]).await, 1);
            assert_eq!((aliases(&app).await.len(), app.sessions().await), (0, 0));
        }
    });
}

#[test]
fn changed_metadata_and_a_deletion_take_the_aliases_along() {
    run(async {
        let (app, _turn) = app().await;
        agent_key::session(&app, "a", &json!({ "metadata": { "userId": "one", "user_id": "two" } })).await;
        assert_eq!(aliases(&app).await, ["two"]);
        let path = format!("{}/a", agent_key::SESSIONS);
        let change = async |body: &str| app.ask(Method::PATCH, &path).json(body).send().await.expect(200);
        change(r#"{"metadata":{"userId":"one","user_id":"three"}}"#).await;
        assert_eq!(aliases(&app).await, ["three"]);
        assert_eq!(erased(&app, "two").await, 0);
        change(r#"{"description":"of no one else"}"#).await;
        assert_eq!(aliases(&app).await, ["three"]);
        app.ask(Method::DELETE, &path).send().await.expect(204);
        assert_eq!(aliases(&app).await, Vec::<String>::new());
    });
}

/// In a database of its own, because the worker sees to all organizations.
#[test]
fn older_sessions_get_their_users_and_are_found_before_that_too() {
    run(async {
        const NAME: &str = "older_sessions";
        make_database(NAME).await;
        let database = database_called(NAME).await;
        sessionary::store::migrate(&database).await.expect("a schema");
        let admin = AdminStore::connect(&database).await.expect("an administrator");
        let store = Store::connect(&database, StoreSettings::default()).await.expect("a store");
        let mut superuser = connection("postgres", NAME).await;
        let mint = Mint::system();
        let orgs = [OrgId(mint.uuid()), OrgId(mint.uuid())];
        // As the release before has stored them, and as the migration notes it.
        for org in orgs {
            sqlx::query("INSERT INTO organizations (org_id, name, responder, created_at) VALUES ($1, 'o', '{}', $2)")
                .bind(org.0)
                .bind(start())
                .execute(&mut superuser)
                .await
                .expect("an organization");
            sqlx::query(
                r#"INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, user_id, metadata, detail,
                                         created_at, updated_at)
                   SELECT $1, dialect, gen_random_uuid(), 'x' || n, gen_random_uuid(),
                          CASE WHEN dialect IN (1, 4) THEN 'u' || n % 3 END,
                          json_build_object('userId', CASE WHEN n % 3 < 2 THEN 'u' || n % 3 END, 'user_id', 'alias'),
                          CASE WHEN dialect = 2 AND n % 2 = 0 THEN '{"contact":{"externalId":"contact"}}' ELSE '{}' END::json,
                          $2, $2
                     FROM generate_series(1, 600) AS n, generate_series(1, 5) AS dialect"#,
            )
            .bind(org.0)
            .bind(start())
            .execute(&mut superuser)
            .await
            .expect("sessions");
        }
        sqlx::query("INSERT INTO session_user_backfills (org_id, dialect, session_id, due_at) VALUES ($1, 0, $1, $2)")
            .bind(uuid::Uuid::nil())
            .bind(start() + TimeDelta::hours(1))
            .execute(&mut superuser)
            .await
            .expect("a note");

        // An erasure looks at every session meanwhile.
        let subject = Subject::User("u0".to_owned());
        let preview = admin.preview_erasure(orgs[0], &subject).await.expect("a preview");
        assert_eq!(preview.sessions.values().sum::<u64>(), 1_000, "{preview:?}");
        let new =
            NewErasure { id: ErasureId(mint.uuid()), org: orgs[0], subject: &subject, proof: [7; 32], at: start() };
        admin.request_erasure(&new).await.expect("a request");
        carry_out(&admin, start()).await.expect("the first pass");
        let counts = admin.receipt(new.id).await.expect("a receipt").counts;
        assert_eq!(counts["sessions"], 1_000);

        assert_eq!(store_users(&admin, start() + TimeDelta::minutes(59)).await.expect("nothing"), 0);
        let stored = store_users(&admin, start() + TimeDelta::hours(1)).await.expect("users");
        // In each of three dialects, 600 sessions that all name a user; of the first organization, 600 are erased.
        assert_eq!(stored, 1_800 + 1_200);
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM session_user_backfills")
            .fetch_one(&mut superuser)
            .await
            .expect("a count");
        assert_eq!(left, 0);
        assert_eq!(store_users(&admin, start() + TimeDelta::days(1)).await.expect("nothing"), 0);

        let users = store.tenant(orgs[1]).users().list("", None, 100).await.expect("users").users;
        let users: Vec<_> = users.iter().map(|user| (user.id.as_str(), user.sessions)).collect();
        // Without a userId, the other one is the user.
        assert_eq!(users, [("alias", 500), ("contact", 300), ("u0", 900), ("u1", 900), ("u2", 400)]);
        // By the index, the same are found: as users and as aliases.
        for (user, sessions) in [("u0", 1_000), ("alias", 1_800), ("contact", 300)] {
            let subject = Subject::User(user.to_owned());
            let preview = admin.preview_erasure(orgs[1], &subject).await.expect("a preview");
            assert_eq!(preview.sessions.values().sum::<u64>(), sessions, "{user}: {preview:?}");
        }
        let subject = Subject::User("alias".to_owned());
        let new =
            NewErasure { id: ErasureId(mint.uuid()), org: orgs[1], subject: &subject, proof: [7; 32], at: start() };
        admin.request_erasure(&new).await.expect("a request");
        carry_out(&admin, start()).await.expect("the first pass");
        assert_eq!(admin.receipt(new.id).await.expect("a receipt").counts["sessions"], 1_800);
        let aliases: i64 = sqlx::query_scalar("SELECT count(*) FROM session_aliases WHERE org_id = $1")
            .bind(orgs[1].0)
            .fetch_one(&mut superuser)
            .await
            .expect("a count");
        assert_eq!(aliases, 0);
        store.close().await;
        admin.close().await;
    });
}
