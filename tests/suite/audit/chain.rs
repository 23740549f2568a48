//! The numbers and hashes of entries, and who can write them.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use futures::future::join_all;
use http::Method;
use sessionary::domain::OrgId;
use sessionary::store::{Fault, Verified};
use sqlx::{AssertSqlSafe, PgConnection};

use super::entries;
use crate::support::{DATABASE, TestApp, admin, agent_key, connection, messaging, run};

async fn verified(org: OrgId) -> Verified {
    admin().await.verify_audit(org).await.expect("a log")
}

/// Runs a statement about one organization, `$1`, as a superuser, whom no policy concerns.
async fn tamper(superuser: &mut PgConnection, statement: &'static str, org: OrgId) {
    let changed = sqlx::query(statement).bind(org).execute(superuser).await.expect("a change");
    assert!(changed.rows_affected() > 0, "{statement}");
}

#[test]
fn fifty_acts_at_once_make_one_chain() {
    run(async {
        let app = TestApp::new().await;
        let mut ids = Vec::new();
        for _ in 0..25 {
            ids.push(messaging::create(&app, "").await);
        }
        let before = entries(app.org).await.len();
        let deletes = ids.iter().map(|id| app.ask(Method::DELETE, &messaging::path_of(id, "")).send());
        let creates = (0..25).map(|n| app.post(agent_key::AGENTS, format!(r#"{{"key":"k{n}","name":"K"}}"#)).send());
        let (deleted, created) = tokio::join!(join_all(deletes), join_all(creates));
        assert!(deleted.iter().all(|reply| reply.status == 200) && created.iter().all(|reply| reply.status == 201));
        let numbers: Vec<i64> = entries(app.org).await.iter().map(|entry| entry.number).collect();
        let expected: Vec<i64> = (1..).take(before + 50).collect();
        assert_eq!(numbers, expected);
        let verified = verified(app.org).await;
        assert_eq!((verified.faults, verified.entries), (Vec::new(), expected.len() as i64));
        assert_eq!(verified.head.map(|head| head.number), expected.last().copied());
    });
}

#[test]
fn sessions_of_several_organizations_are_deleted_together() {
    run(async {
        let apps = [TestApp::new().await, TestApp::new().await, TestApp::new().await];
        let mut sessions = Vec::new();
        for _ in 0..12 {
            for app in &apps {
                sessions.push((app, messaging::create(app, "").await));
            }
        }
        let deletes = sessions.iter().map(|(app, id)| app.ask(Method::DELETE, &messaging::path_of(id, "")).send());
        assert!(join_all(deletes).await.iter().all(|reply| reply.status == 200));
        for app in &apps {
            let entries = entries(app.org).await;
            let mut targets: Vec<&str> =
                entries.iter().filter(|e| e.action == "session.delete").map(|e| e.target.as_str()).collect();
            targets.sort_unstable();
            let mut expected: Vec<String> = sessions
                .iter()
                .filter(|(other, _)| other.org == app.org)
                .map(|(_, id)| format!("session/messaging/{id}"))
                .collect();
            expected.sort_unstable();
            assert_eq!(targets, expected);
            assert_eq!(verified(app.org).await.faults, []);
        }
    });
}

#[test]
fn what_a_superuser_changes_or_deletes_is_found_by_its_number() {
    run(async {
        let mut superuser = connection("postgres", DATABASE).await;
        // The organization of a test begins with its creation, two agents and a key.
        for (statement, fault) in [
            ("UPDATE audit_entries SET target = 'x' WHERE org_id = $1 AND number = 2", Fault::Changed { number: 2 }),
            (
                "UPDATE audit_entries SET at = at + interval '1 us' WHERE org_id = $1 AND number = 1",
                Fault::Changed { number: 1 },
            ),
            ("UPDATE audit_entries SET actor = 'x' WHERE org_id = $1 AND number = 4", Fault::Changed { number: 4 }),
            ("UPDATE audit_entries SET after = NULL WHERE org_id = $1 AND number = 3", Fault::Changed { number: 3 }),
            ("DELETE FROM audit_entries WHERE org_id = $1 AND number = 1", Fault::Missing { first: 1, last: 1 }),
            ("DELETE FROM audit_entries WHERE org_id = $1 AND number IN (2, 3)", Fault::Missing { first: 2, last: 3 }),
            ("DELETE FROM audit_entries WHERE org_id = $1 AND number = 4", Fault::Missing { first: 4, last: 4 }),
            ("DELETE FROM audit_heads WHERE org_id = $1", Fault::Head { number: 4 }),
            (
                "UPDATE audit_heads h SET number = 3, hash = (SELECT e.hash FROM audit_entries e
                  WHERE e.org_id = h.org_id AND e.number = 3) WHERE h.org_id = $1",
                Fault::Head { number: 4 },
            ),
        ] {
            let app = TestApp::new().await;
            let whole = verified(app.org).await;
            assert_eq!((whole.entries, whole.faults), (4, Vec::new()));
            tamper(&mut superuser, statement, app.org).await;
            assert_eq!(verified(app.org).await.faults, [fault], "{statement}");
        }
    });
}

#[test]
fn no_role_changes_an_entry_and_none_adds_one_but_by_the_function() {
    run(async {
        let app = TestApp::new().await;
        for role in ["sessionary_app", "sessionary_system"] {
            let mut connection = connection(role, DATABASE).await;
            let scope = format!("SET app.org_ids = '{{{}}}'", app.org);
            sqlx::query(AssertSqlSafe(scope)).execute(&mut connection).await.expect("a scope");
            for statement in [
                "UPDATE audit_entries SET target = 'x'",
                "DELETE FROM audit_entries",
                "TRUNCATE audit_entries",
                "INSERT INTO audit_entries SELECT * FROM audit_entries",
                "UPDATE audit_heads SET number = 0",
                "DELETE FROM audit_heads",
                "INSERT INTO audit_heads SELECT * FROM audit_heads",
            ] {
                let error = sqlx::query(statement).execute(&mut connection).await.expect_err(statement);
                assert!(error.to_string().contains("permission denied"), "{role}: {statement}: {error}");
            }
        }
        assert_eq!(verified(app.org).await.faults, []);
    });
}

#[test]
fn a_scope_appends_to_its_own_log_only() {
    run(async {
        let (ours, theirs) = (TestApp::new().await, TestApp::new().await);
        let mut request_role = connection("sessionary_app", DATABASE).await;
        let append = "SELECT append_audit_entries(ARRAY[$1::uuid], ARRAY[NULL::timestamptz], ARRAY['service'],
                             ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text],
                             ARRAY['agent.create'], ARRAY['agent/1'], ARRAY[NULL::text], ARRAY['{}'])";
        let scope = format!("SET app.org_ids = '{{{}}}'", ours.org);
        let unscoped = sqlx::query(append).bind(ours.org).execute(&mut request_role).await.expect_err("no scope");
        assert!(unscoped.to_string().contains("row-level security"), "{unscoped}");
        sqlx::query(AssertSqlSafe(scope)).execute(&mut request_role).await.expect("a scope");
        sqlx::query(append).bind(ours.org).execute(&mut request_role).await.expect("an entry");
        let other = sqlx::query(append).bind(theirs.org).execute(&mut request_role).await.expect_err("their log");
        assert!(other.to_string().contains("row-level security"), "{other}");
        assert_eq!((entries(ours.org).await.len(), entries(theirs.org).await.len()), (5, 4));
        assert_eq!(verified(ours.org).await.faults, []);
    });
}
