//! What organizations use is counted by day.

#![allow(clippy::disallowed_methods, reason = "what no part of the service does, a test does by hand")]

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;
use sessionary::domain::{AgentId, ApiName, DialectName, KeyId};
use sessionary::store::{Amounts, USAGE_DAYS, UsageBy, UsageGroup};
use sessionary::workers::retention;

use crate::support::agntix::{create, say};
use crate::support::{AGENT_ID, DATABASE, TestApp, admin, connection, run, start, store};

async fn usage_in(app: &TestApp, (first, last): (NaiveDate, NaiveDate), by: UsageBy) -> Vec<UsageGroup> {
    store().await.flush_usage().await.expect("counted");
    app.tenant().await.usage_days(first, last, by).await.expect("usage")
}

/// Returns the usage of the days of the test.
async fn usage(app: &TestApp, by: UsageBy) -> Vec<UsageGroup> {
    usage_in(app, (start().date_naive(), start().date_naive() + TimeDelta::days(30)), by).await
}

fn amounts(sessions: i64, events: i64, requests: i64) -> Amounts {
    Amounts { sessions, events, requests, errors: 0 }
}

async fn total(app: &TestApp) -> Amounts {
    let groups = usage(app, UsageBy::Dialect).await;
    groups.iter().fold(Amounts::default(), |mut sum, group| {
        sum += group.amounts;
        sum
    })
}

#[test]
fn sessions_events_and_requests_are_counted_by_day_agent_key_and_dialect() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        create(&other, "").await;
        let id = create(&app, "").await;
        say(&app, &id, "hello").await.expect(200);
        app.clock.advance(TimeDelta::days(1));
        let (key, key_id) = app.key_until(app.clock.now() + TimeDelta::days(1)).await;
        let session = app.post("/v2/agents/customer_support/sessions", r#"{"name":"s","key":"k"}"#).anonymous();
        session.header("x-api-key", &key).send().await.expect(201);
        assert_eq!(app.get("/v2/agents").anonymous().send().await.status, 401, "it is not authenticated");

        let days: Vec<(Option<NaiveDate>, Amounts)> =
            usage(&app, UsageBy::Day).await.into_iter().map(|group| (group.day, group.amounts)).collect();
        let today = start().date_naive();
        assert_eq!(
            days,
            [(Some(today), amounts(1, 2, 2)), (Some(today + TimeDelta::days(1)), amounts(1, 0, 1))],
            "a message and its reply"
        );
        let dialects: Vec<(Option<ApiName>, Amounts)> =
            usage(&app, UsageBy::Dialect).await.into_iter().map(|group| (group.dialect, group.amounts)).collect();
        assert_eq!(
            dialects,
            [
                (Some(DialectName::Agntix.into()), amounts(1, 2, 2)),
                (Some(DialectName::AgentKey.into()), amounts(1, 0, 1))
            ]
        );
        let agent: AgentId = AGENT_ID.parse().expect("a UUID");
        let agents: Vec<(Option<AgentId>, Amounts)> =
            usage(&app, UsageBy::Agent).await.into_iter().map(|group| (group.agent, group.amounts)).collect();
        assert_eq!(agents, [(Some(agent), amounts(2, 2, 0)), (None, amounts(0, 0, 3))], "requests name no agent");
        let keys: Vec<(Option<KeyId>, Amounts)> =
            usage(&app, UsageBy::Key).await.into_iter().map(|group| (group.key, group.amounts)).collect();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0].1, amounts(1, 2, 2));
        assert_eq!(keys[1], (Some(key_id), amounts(1, 0, 1)));
        // The window has both of its ends, and no more.
        let one = usage_in(&app, (today, today), UsageBy::Day).await;
        assert_eq!(one.len(), 1);
        assert!(
            usage_in(&app, (today + TimeDelta::days(2), today + TimeDelta::days(9)), UsageBy::Day).await.is_empty()
        );
    });
}

#[test]
fn what_is_sent_again_is_one_event_and_one_session() {
    run(async {
        let app = TestApp::new().await;
        let event = json!({
            "event_id": "11111111-1111-4111-8111-111111111111", "session_id": "22222222-2222-4222-8222-222222222222",
            "primitive_name": "a", "args": "x", "result": "", "latency": 1,
        });
        for _ in 0..3 {
            assert_eq!(app.post("/api/v1/capture-event", event.to_string()).send().await.status, 200);
        }
        assert_eq!(total(&app).await, amounts(1, 1, 3), "the event implies its session");
        let session = json!({"session_id": "22222222-2222-4222-8222-222222222222", "user_data": {"user_id": "u"}});
        for _ in 0..2 {
            assert_eq!(app.post("/api/v1/capture-session", session.to_string()).send().await.status, 200);
        }
        assert_eq!(total(&app).await, amounts(1, 1, 5));
        let keyed = || {
            let body = format!(r#"{{"agentId":"{AGENT_ID}"}}"#);
            app.post("/v1/chat/chat/sessions", body).header("idempotency-key", "once")
        };
        keyed().send().await.expect(201);
        keyed().send().await.expect(201);
        assert_eq!(total(&app).await, amounts(2, 1, 7));
    });
}

#[test]
fn spans_are_events_of_the_sessions_that_they_make() {
    run(async {
        let app = TestApp::new().await;
        let span = |id: &str, conversation: &str| {
            json!({
                "traceId": "5b8efff798038103d269b633813fc60c", "spanId": id, "name": "chat m",
                "startTimeUnixNano": "1777453200000000000", "endTimeUnixNano": "1777453201000000000",
                "attributes": [
                    {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                    {"key": "gen_ai.conversation.id", "value": {"stringValue": conversation}},
                ],
            })
        };
        let spans = [span("eee19b7ec3c1b174", "c1"), span("eee19b7ec3c1b175", "c1")];
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string();
        for _ in 0..2 {
            let reply = app.post("/v1/traces", body.clone()).send().await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert_eq!(total(&app).await, amounts(1, 2, 2));
    });
}

#[test]
fn usage_is_stored_for_400_days() {
    run(async {
        let app = TestApp::new().await;
        app.get("/v2/agents").send().await.expect(200);
        let today = start().date_naive();
        let last = start() + TimeDelta::days(USAGE_DAYS);
        assert_eq!(usage_in(&app, (today, today), UsageBy::Day).await.len(), 1);
        retention::delete_usage(admin().await, last).await.expect("a deletion");
        assert_eq!(usage_in(&app, (today, today), UsageBy::Day).await.len(), 1, "its last day");
        // As by another replica, whose clock is behind, so that other tests keep theirs.
        let mut system = connection("sessionary_system", DATABASE).await;
        sqlx::query("UPDATE usage_days SET day = day - 1000 WHERE org_id = $1")
            .bind(app.org.0)
            .execute(&mut system)
            .await
            .expect("older rows");
        let old = today - TimeDelta::days(1_000);
        assert_eq!(usage_in(&app, (old, old), UsageBy::Day).await.len(), 1);
        assert!(retention::delete_usage(admin().await, start()).await.expect("a deletion") > 0);
        assert!(usage_in(&app, (old, old), UsageBy::Day).await.is_empty());
    });
}
