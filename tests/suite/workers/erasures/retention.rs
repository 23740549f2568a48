//! Sessions are erased when they have not changed for as long as their organization stores them.

use chrono::TimeDelta;
use serde_json::json;
use sessionary::domain::DialectName;
use sessionary::store::admin::{RetentionRule, SETTLED_AFTER};
use sessionary::workers::erasures::{carry_out, start_retention};

use super::app;
use crate::support::{TestApp, admin, agent_key, agntix, messaging, run};

/// Applies the rules that are due after this time, in both passes.
async fn retain_after(app: &TestApp, time: TimeDelta) -> u64 {
    app.clock.advance(time);
    let (admin, now) = (admin().await, app.clock.now());
    let rules = start_retention(admin, now).await.expect("rules");
    carry_out(admin, now).await.expect("the first pass");
    carry_out(admin, now + SETTLED_AFTER).await.expect("the second pass");
    rules
}

async fn keys(app: &TestApp) -> Vec<String> {
    let mut rows = admin().await.sessions(app.org, None, None, 100).await.expect("sessions");
    rows.sort_by(|a, b| a.public_id.cmp(&b.public_id));
    rows.into_iter().map(|row| row.public_id).collect()
}

#[test]
fn sessions_go_when_they_have_not_changed_for_that_many_days() {
    run(async {
        let (app, _turn) = app().await;
        app.clock.advance(TimeDelta::days(-30));
        for key in ["a_unused", "b_used"] {
            agent_key::session(&app, key, &json!({})).await;
            agent_key::say(&app, key, "hello").send().await.expect(201);
        }
        let chat = agntix::create(&app, "").await;
        let admin = admin().await;
        let key = DialectName::AgentKey;
        let rule = RetentionRule { dialect: key, days: 10 };
        app.clock.advance(TimeDelta::days(9));
        agent_key::session(&app, "c_new", &json!({})).await;
        agent_key::say(&app, "b_used", "again").send().await.expect(201);
        let all = ["a_unused", "b_used", "c_new", chat.as_str()];

        // Without a rule, everything stays.
        assert_eq!(retain_after(&app, TimeDelta::days(1) + TimeDelta::hours(1)).await, 0);
        assert_eq!(keys(&app).await, all);
        let preview =
            admin.preview_retention(app.org, key, rule.unused_since(app.clock.now())).await.expect("a preview");
        assert_eq!(preview.sessions.into_iter().collect::<Vec<_>>(), [("agent_key", 1)]);

        // A rule waits during a hold.
        admin.set_retention(app.org, key, Some(10), app.clock.now()).await.expect("a rule");
        admin.set_legal_hold(app.org, Some(app.clock.now())).await.expect("a hold");
        assert_eq!(retain_after(&app, TimeDelta::zero()).await, 0);
        assert_eq!(keys(&app).await, all);
        admin.set_legal_hold(app.org, None).await.expect("no hold");
        assert_eq!(admin.retention(app.org).await.expect("settings").rules, [rule]);

        assert_eq!(retain_after(&app, TimeDelta::zero()).await, 1);
        assert_eq!(keys(&app).await, ["b_used", "c_new", &chat]);
        app.get(&format!("{}/a_unused", agent_key::SESSIONS)).send().await.expect(404);
        assert_eq!(agent_key::kinds(&app, "b_used", "").await.len(), 4);

        // It is applied once a day.
        assert_eq!(retain_after(&app, TimeDelta::hours(23)).await, 0);
        assert_eq!(retain_after(&app, TimeDelta::hours(1)).await, 1);
        assert_eq!(keys(&app).await, ["b_used", "c_new", &chat]);
        assert_eq!(retain_after(&app, TimeDelta::days(9)).await, 1);
        assert_eq!(keys(&app).await, [chat.as_str()]);

        // The dialects have rules of their own, and a rule that is removed deletes nothing.
        admin.set_retention(app.org, key, None, app.clock.now()).await.expect("no rule");
        assert_eq!(admin.retention(app.org).await.expect("settings").rules, []);
        assert_eq!(retain_after(&app, TimeDelta::days(2)).await, 0);
        assert_eq!(keys(&app).await, [chat.as_str()]);
    });
}

#[test]
fn a_day_with_many_old_sessions_is_worked_off_in_batches() {
    run(async {
        let (app, _turn) = app().await;
        app.clock.advance(TimeDelta::days(-30));
        for _ in 0..3 {
            messaging::create(&app, "").await;
        }
        app.fill_sessions(DialectName::Messaging, 2_500).await;
        let before = app.sessions().await;
        assert!(before > 2_000, "{before} sessions");
        admin().await.set_retention(app.org, DialectName::Messaging, Some(1), app.clock.now()).await.expect("a rule");
        assert_eq!(retain_after(&app, TimeDelta::days(60)).await, 1);
        assert_eq!(app.sessions().await, 0);
    });
}
