//! One session, and everything of an organization.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sessionary::domain::{DialectName, SessionId};
use sessionary::store::admin::{AdminError, NewErasure, Subject};

use super::planted::Person;
use super::{app, finish, request};
use crate::support::raw::columns_with;
use crate::support::{TestApp, admin, agent_key, run};

async fn subject(app: &TestApp, public_id: &str) -> Subject {
    let row = app.session_called(public_id).await;
    let dialect = DialectName::from_code(row.dialect).expect("a dialect");
    Subject::Session { dialect, id: SessionId(row.session_id), public_id: public_id.to_owned() }
}

#[test]
fn one_session_of_each_dialect_goes_alone() {
    run(async {
        let (app, _turn) = app().await;
        app.answered_by("echo").await;
        let person = Person::plant(&app).await;
        app.conversations.close().await;
        let number = person.integer_id.to_string();
        let all = [&person.agnost, &person.agntix, &person.agent_key, &person.messaging, &number];
        let before = app.sessions().await;
        for (count, id) in all.into_iter().enumerate() {
            let uuid = app.session_called(id).await.session_id.to_string();
            let receipt = finish(&app, request(&app, &subject(&app, id).await).await).await;
            assert_eq!(receipt.counts["sessions"], 1, "{receipt:?}");
            assert!(receipt.counts["session_events"] >= 2, "{receipt:?}");
            // Sessions with the same integer have the same UUID in all organizations.
            if *id != number {
                assert_eq!(columns_with(&uuid).await, BTreeSet::new(), "{id}");
            }
            assert_eq!(app.sessions().await, before - 1 - count);
        }
        assert_eq!(person.statuses(&app).await, [404; 4]);
    });
}

#[test]
fn the_first_session_of_a_key_leaves_only_what_leads_to_the_others() {
    run(async {
        let (app, _turn) = app().await;
        let members =
            serde_json::json!({ "description": "secret", "metadata": { "user_id": "u-2" }, "tti_minutes": 1 });
        agent_key::session(&app, "again", &members).await;
        app.clock.advance(TimeDelta::minutes(2));
        let other = serde_json::json!({ "metadata": { "user_id": "u-3" } });
        agent_key::session(&app, "again", &other).await;
        finish(&app, request(&app, &Subject::User("u-2".to_owned())).await).await;
        // The other user's session of the same key is still found, and no second one can be opened beside it.
        app.get(&format!("{}/again", agent_key::SESSIONS)).send().await.expect(200);
        let twice = app.post(agent_key::SESSIONS, r#"{"key":"again","name":"n"}"#).send().await;
        assert_eq!(twice.status, 409, "{}", twice.text());
        let rows = admin().await.sessions(app.org, None, None, 10).await.expect("sessions");
        let first = rows.iter().find(|row| row.public_id.is_empty()).expect("the first session");
        assert_eq!(first.detail.replace(' ', ""), r#"{"generation":1}"#);
        assert_eq!((&first.name, &first.description, &first.metadata), (&None, &None, &None));
    });
}

#[test]
fn everything_of_a_disabled_organization_goes_and_nothing_of_another() {
    run(async {
        let (app, _turn) = app().await;
        app.answered_by("echo").await;
        let person = Person::plant(&app).await;
        let neighbour = TestApp::new().await;
        neighbour.answered_by("echo").await;
        let other = Person::plant(&neighbour).await;
        app.conversations.close().await;
        neighbour.conversations.close().await;
        let others = other.columns().await;
        crate::support::store().await.flush_usage().await.expect("counts");
        let admin = admin().await;
        let new =
            |id| NewErasure { id, org: app.org, subject: &Subject::Organization, proof: [7; 32], at: app.clock.now() };
        let id = sessionary::domain::ErasureId(app.mint.uuid());
        let enabled = admin.request_erasure(&new(id)).await.expect_err("the organization is enabled");
        assert!(matches!(enabled, AdminError::OrganizationEnabled), "{enabled}");
        let now = app.clock.now();
        admin.change_organization(app.org, |settings| settings.disabled_at = Some(now)).await.expect("a change");
        let receipt = finish(&app, request(&app, &Subject::Organization).await).await;
        assert_eq!(columns_with(&person.word).await, BTreeSet::new());
        assert_eq!(columns_with(&person.user).await, BTreeSet::new());
        // The audit log stays (docs/erasure.md).
        assert_eq!(columns_with(&app.external_id).await, BTreeSet::from(["audit_entries.after".to_owned()]));
        let expected = ["erasures.org_id", "number_blocks.org_id", "organizations.org_id"];
        let mut left: Vec<String> = columns_with(&app.org.to_string()).await.into_iter().collect();
        // Counts, which the service adds within a second of the requests that it counts.
        let counts = ["organization_storage.org_id", "usage_days.org_id"];
        left.retain(|column| !counts.contains(&column.as_str()) && !column.starts_with("audit_"));
        assert_eq!(left, expected, "{receipt:?}");
        assert!(receipt.counts["sessions"] == 6 && receipt.counts["api_key_hashes"] == 1, "{receipt:?}");
        assert!(receipt.counts["usage_days"] >= 5, "{receipt:?}");
        assert_eq!(other.columns().await, others);
        assert_eq!(other.statuses(&neighbour).await, [200; 4]);
    });
}

#[test]
fn a_legal_hold_stops_an_erasure_and_forbids_another() {
    run(async {
        let (app, _turn) = app().await;
        let members = serde_json::json!({ "metadata": { "user_id": "u-4" } });
        agent_key::session(&app, "held", &members).await;
        let subject = Subject::User("u-4".to_owned());
        let id = request(&app, &subject).await;
        let (admin, now) = (admin().await, app.clock.now());
        admin.set_legal_hold(app.org, Some(now)).await.expect("a hold");
        sessionary::workers::erasures::carry_out(admin, now + TimeDelta::hours(1)).await.expect("nothing");
        assert_eq!(app.sessions().await, 1);
        let held = admin.may_erase(app.org, &subject).await.expect_err("a hold");
        assert!(matches!(held, AdminError::LegalHold), "{held}");
        admin.set_legal_hold(app.org, None).await.expect("no hold");
        finish(&app, id).await;
        assert_eq!(app.sessions().await, 0);
    });
}
