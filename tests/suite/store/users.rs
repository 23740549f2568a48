//! Users: which sessions are whose, as the index `sessions_by_user` finds them.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use chrono::TimeDelta;
use http::Method;
use sessionary::domain::session_user::MAX_USER_ID_BYTES;
use sessionary::domain::{DialectName, JsonText, NewSession, SessionId, Timestamp};
use sessionary::store::{COUNTED_SESSIONS, TenantStore, UserRow};

use crate::support::{
    AGENT_NUMBER, DATABASE, TestApp, agent_key, agnost, agntix, connection, integer_id, messaging, run, start,
};

async fn ids(tenant: &TenantStore, prefix: &str) -> Vec<String> {
    let page = tenant.users().list(prefix, None, 100).await.expect("users");
    page.users.into_iter().map(|user| user.id).collect()
}

async fn sessions(tenant: &TenantStore, id: &str) -> Vec<(DialectName, SessionId)> {
    let page = tenant.users().sessions(id, None, 100).await.expect("sessions");
    page.sessions.iter().map(|session| (session.dialect, session.id)).collect()
}

async fn dialects(tenant: &TenantStore, id: &str) -> Vec<DialectName> {
    sessions(tenant, id).await.into_iter().map(|(dialect, _)| dialect).collect()
}

/// Creates a session of the messaging dialect.
async fn create(tenant: &TenantStore, app: &TestApp, user: &str, at: Timestamp) -> SessionId {
    let id = app.mint.session_id(at);
    let new = NewSession {
        user_id: Some(user.to_owned()),
        ..NewSession::of(DialectName::Messaging, id, id.to_string(), at, app.mint.uuid())
    };
    tenant.sessions().create(new).await.expect("a session");
    id
}

#[test]
fn every_dialect_stores_whose_session_it_is() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let capture = format!(r#"{{"session_id":"{}","user_data":{{"user_id":"u-agnost"}}}}"#, app.mint.uuid());
        app.post("/api/v1/capture-session", capture).send().await.expect(200);
        agntix::create(&app, r#""contact":{"externalId":"u-contact"},"metadata":{"userId":"u-other"}"#).await;
        agntix::create(&app, r#""metadata":{"userId":"u-agntix"}"#).await;
        agent_key::session(&app, "a", &serde_json::json!({ "metadata": { "user_id": "u-key" } })).await;
        agent_key::session(&app, "b", &serde_json::json!({ "metadata": { "topic": "none" } })).await;
        let messaging = messaging::create(&app, "").await;
        let body = format!(r#"{{"agent_id":{AGENT_NUMBER},"metadata":{{"userId":7}}}}"#);
        app.post(integer_id::SESSIONS, body).send().await.expect(201);
        let found = ids(&tenant, "").await;
        let messaging_user = messaging::standing(&app, &messaging).await["userId"].as_str().expect("a user").to_owned();
        let mut expected = vec!["7", "u-agnost", "u-agntix", "u-contact", "u-key", &messaging_user];
        expected.sort_unstable();
        assert_eq!(found, expected);
        for (user, dialect) in [
            ("7", DialectName::IntegerId),
            ("u-agnost", DialectName::Agnost),
            ("u-agntix", DialectName::Agntix),
            ("u-contact", DialectName::Agntix),
            ("u-key", DialectName::AgentKey),
            (&messaging_user, DialectName::Messaging),
        ] {
            assert_eq!(dialects(&tenant, user).await, [dialect], "{user}");
        }
        // Another organization has none of them.
        let other = TestApp::new().await.tenant().await;
        assert_eq!(ids(&other, "").await, Vec::<String>::new());
        assert_eq!(other.users().find("u-agnost").await.expect("a response"), None);
        assert!(sessions(&other, "u-agnost").await.is_empty());
    });
}

#[test]
fn a_session_goes_over_to_the_user_that_its_changed_metadata_names() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        agent_key::session(&app, "a", &serde_json::json!({ "metadata": { "userId": "before" } })).await;
        let change = async |body: &str| {
            let path = format!("{}/a", agent_key::SESSIONS);
            app.ask(Method::PATCH, &path).json(body).send().await.expect(200);
        };
        change(r#"{"name":"another"}"#).await;
        assert_eq!(ids(&tenant, "").await, ["before"]);
        change(r#"{"metadata":{"userId":"after"}}"#).await;
        assert_eq!(ids(&tenant, "").await, ["after"]);
        change(r#"{"metadata":{}}"#).await;
        assert_eq!(ids(&tenant, "").await, Vec::<String>::new());
        change(r#"{"metadata":{"user_id":"again"}}"#).await;
        assert_eq!(ids(&tenant, "").await, ["again"]);
        app.ask(Method::DELETE, &format!("{}/a", agent_key::SESSIONS)).send().await.expect(204);
        assert_eq!(ids(&tenant, "").await, Vec::<String>::new(), "a deleted session is no one's");
    });
}

#[test]
fn a_user_who_is_named_after_the_first_event_is_found() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let id = app.mint.uuid();
        agnost::capture(&app, agnost::event_with(serde_json::json!({ "session_id": id }))).await;
        assert_eq!(ids(&tenant, "").await, Vec::<String>::new());
        let capture = format!(r#"{{"session_id":"{id}","user_data":{{"user_id":"u"}}}}"#);
        app.post("/api/v1/capture-session", capture).send().await.expect(200);
        assert_eq!(ids(&tenant, "").await, ["u"]);
        assert_eq!(dialects(&tenant, "u").await, [DialectName::Agnost]);
    });
}

#[test]
fn users_are_listed_page_by_page_in_the_order_of_their_bytes() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let longest = "x".repeat(MAX_USER_ID_BYTES);
        let too_long = "x".repeat(MAX_USER_ID_BYTES + 1);
        let mut names: Vec<String> =
            ["B", "a", "a%b", "a_b", "aa", "ab", "b", "é", "\u{10ffff}", "😀", &longest].map(str::to_owned).to_vec();
        for (place, name) in names.iter().chain([&too_long, &String::new()]).enumerate() {
            for n in 0..=place as i64 % 3 {
                create(&tenant, &app, name, start() + TimeDelta::seconds(n)).await;
            }
        }
        names.sort_unstable();
        for limit in [1, 2, 3, 100] {
            let (mut read, mut after) = (Vec::<UserRow>::new(), None);
            loop {
                let page = tenant.users().list("", after.as_deref(), limit).await.expect("users");
                assert!(page.users.len() <= limit as usize);
                read.extend(page.users);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(
                read.iter().map(|user| &user.id).collect::<Vec<_>>(),
                names.iter().collect::<Vec<_>>(),
                "{limit}"
            );
        }
        for prefix in ["a", "aa", "a%", "a_", "é", "x", "\u{10ffff}", "c", &longest, &too_long] {
            let expected: Vec<&String> = names.iter().filter(|name| name.starts_with(prefix)).collect();
            assert_eq!(ids(&tenant, prefix).await.iter().collect::<Vec<_>>(), expected, "{prefix}");
        }
        let page = tenant.users().list("a", Some("a_b"), 1).await.expect("users");
        assert_eq!((page.users[0].id.as_str(), page.next.as_deref()), ("aa", Some("aa")));
        let page = tenant.users().list("a", Some("ab"), 1).await.expect("users");
        assert!(page.users.is_empty() && page.next.is_none());
        assert_eq!(tenant.users().find(&too_long).await.expect("a response"), None);
    });
}

#[test]
fn a_user_has_a_first_and_a_last_time_and_a_bounded_count() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        create(&tenant, &app, "u", start() + TimeDelta::days(1)).await;
        create(&tenant, &app, "u", start()).await;
        create(&tenant, &app, "v", start() - TimeDelta::days(1)).await;
        let user = tenant.users().find("u").await.expect("a response").expect("a user");
        let expected = UserRow {
            id: "u".to_owned(),
            first_seen_at: start(),
            last_seen_at: start() + TimeDelta::days(1),
            sessions: 2,
        };
        assert_eq!(user, expected);
        assert_eq!(tenant.users().list("", None, 1).await.expect("users").users, [expected]);
        let mut superuser = connection("postgres", DATABASE).await;
        sqlx::query(
            "INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, user_id, detail, created_at, updated_at)
             SELECT $1, 4, gen_random_uuid(), 'x', gen_random_uuid(), 'u', '{}', $2, $2 FROM generate_series(1, 1005)",
        )
        .bind(app.org.0)
        .bind(start())
        .execute(&mut superuser)
        .await
        .expect("rows");
        assert_eq!(tenant.users().find("u").await.expect("a response").expect("a user").sessions, COUNTED_SESSIONS);
    });
}

#[test]
fn the_sessions_of_a_user_come_newest_first_and_none_twice() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let mut expected = Vec::new();
        for n in 0..12 {
            // Three of each time.
            let at = start() + TimeDelta::seconds(n / 3);
            expected.push((at, DialectName::Messaging.code(), create(&tenant, &app, "u", at).await));
        }
        let id = SessionId(app.mint.uuid());
        let new = NewSession {
            metadata: Some(JsonText::stored(r#"{"userId":"u"}"#.to_owned()).expect("JSON")),
            ..NewSession::of(DialectName::IntegerId, id, "1".to_owned(), start(), app.mint.uuid())
        };
        tenant.sessions().create(new).await.expect("a session");
        expected.push((start(), DialectName::IntegerId.code(), id));
        create(&tenant, &app, "v", start()).await;
        expected.sort_unstable();
        expected.reverse();
        for limit in [1, 2, 5, 100] {
            let (mut read, mut after) = (Vec::new(), None);
            loop {
                let page = tenant.users().sessions("u", after, limit).await.expect("sessions");
                assert!(page.sessions.len() <= limit as usize);
                read.extend(page.sessions.iter().map(|s| (s.created_at, s.dialect.code(), s.id)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(read, expected, "{limit}");
        }
    });
}

/// Postgres changes a row without touching any index if no index contains what differs (a HOT update).
#[test]
fn no_index_contains_what_a_heartbeat_changes() {
    run(async {
        crate::support::database().await;
        let mut superuser = connection("postgres", DATABASE).await;
        // With the columns of expressions and conditions.
        let columns = "SELECT DISTINCT a.attname::text
                         FROM pg_index i
                         JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                                         AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
                         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
                        WHERE i.indrelid = 'sessions'::regclass AND d.refobjsubid > 0";
        let mut columns: Vec<String> = sqlx::query_scalar(columns).fetch_all(&mut superuser).await.expect("columns");
        // The primary key depends on its columns through its constraint.
        columns.retain(|column| !["org_id", "dialect", "session_id"].contains(&column.as_str()));
        columns.sort_unstable();
        assert_eq!(columns, ["agent_id", "created_at", "metadata", "user_id"]);
    });
}
