//! What is read of spans that turned out to be something else: figures, searches, lists and the old conversation.

#![allow(clippy::disallowed_methods, reason = "the index is compared with the rows")]

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use sessionary::domain::{EventId, OrgId, Timestamp};
use sessionary::store::{Breakdown, CaptureFilter};
use sessionary::workers::captures::{fold_totals, index, note_backlog, recount};
use uuid::Uuid;

use super::post::{span, text};
use super::turns::{events, said, send};
use crate::support::agnost::{ask, dashboard, messages};
use crate::support::{DATABASE, TestApp, admin, connection, run, store};

const TRACE: &str = "abababababababababababababababab";

fn said_by(id: u8, parent: Option<u8>, name: &str, seconds: u64) -> Span {
    let mut span =
        span(id, parent, name, vec![text("input", &format!("question {id}")), text("output", &format!("reply {id}"))]);
    span.end_time_unix_nano = span.start_time_unix_nano + seconds * 1_000_000_000;
    span
}

/// A span of an agent that says nothing itself.
fn agent(id: u8, parent: Option<u8>, name: &str) -> Span {
    let attributes = vec![text("openinference.span.kind", "AGENT"), text("agent.name", name)];
    span(id, parent, "run", attributes)
}

fn all() -> CaptureFilter {
    CaptureFilter {
        since: Timestamp::UNIX_EPOCH,
        names: vec![],
        connection_types: vec![],
        client_configs: vec![],
        metadata: vec![],
        search: None,
    }
}

/// The longest turn of each day.
async fn longest_turns(org: OrgId) -> Vec<i64> {
    let tenant = store().await.tenant(org);
    let figures = tenant.captures().figures(&all(), Breakdown::Days).await.expect("figures");
    let turns = figures.rows.iter().filter(|figure| figure.kind == "turn" && figure.events > 0);
    turns.map(|figure| figure.latency_max).collect()
}

#[test]
fn a_turn_that_is_none_any_more_is_no_longest_turn() {
    run(async {
        let admin = admin().await;
        for is_folded in [false, true] {
            let app = TestApp::new().await;
            let mut other = said_by(9, None, "other", 5);
            other.trace_id = vec![9; 16];
            send(&app, vec![other, said_by(3, Some(2), "model", 90)]).await;
            if is_folded {
                fold_totals(admin, app.clock.now() + chrono::TimeDelta::days(2)).await.expect("folded");
            }
            assert_eq!(longest_turns(app.org).await, [90_000]);
            send(&app, vec![said_by(1, None, "agent", 1), span(2, Some(1), "step", vec![])]).await;
            let figures = dashboard(&app, "dashboard", json!({"time_range": "all"})).await;
            assert_eq!(figures["totals"]["turns"]["count"], 2, "{figures}");
            // Counts are right at once; a maximum is lowered by the worker.
            assert_eq!(longest_turns(app.org).await, [90_000], "folded: {is_folded}");
            recount(admin).await.expect("recounted");
            assert_eq!(longest_turns(app.org).await, [5_000], "folded: {is_folded}");
            fold_totals(admin, app.clock.now() + chrono::TimeDelta::days(2)).await.expect("folded");
            assert_eq!(longest_turns(app.org).await, [5_000], "folded: {is_folded}");
            let rebuilt = admin.rebuild_captured_totals(app.org, Timestamp::UNIX_EPOCH).await.expect("a batch");
            assert_eq!(rebuilt.map(|batch| batch.repaired), Some(0));
        }
    });
}

/// The inputs of the events that a search finds.
async fn found(app: &TestApp, search: &str) -> Vec<String> {
    let page = dashboard(app, "raw-logs", json!({"search": search, "time_range": "all"})).await;
    let inputs = page["logs"].as_array().expect("logs").iter().filter_map(|log| log["input"].as_str());
    let mut inputs: Vec<String> = inputs.filter(|input| !input.is_empty()).map(str::to_owned).collect();
    inputs.sort();
    inputs
}

/// How many events are in the index, and how many entries are of events that were indexed again.
async fn indexed(org: OrgId) -> (i64, i64) {
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query_as("SELECT sum(size - again)::bigint, sum(again)::bigint FROM captured_pending WHERE org_id = $1")
        .bind(org)
        .fetch_one(&mut system)
        .await
        .expect("a sum")
}

/// Deletes the event with this input, and with it the rows of the index that it is in.
async fn delete(app: &TestApp, input: &str) {
    let page = dashboard(app, "raw-logs", json!({"time_range": "all"})).await;
    let log = page["logs"].as_array().expect("logs").iter().find(|log| log["input"] == input).expect("the event");
    let id: Uuid = log["event_id"].as_str().expect("an id").parse().expect("a UUID");
    assert_eq!(admin().await.delete_captured_events(app.org, &[EventId(id)]).await.expect("deleted"), 1);
}

#[test]
fn a_renamed_span_is_found_by_its_new_name_when_a_neighbour_is_deleted() {
    run(async {
        let app = TestApp::new().await;
        // Two turns in rows of their own, which are renamed in one row.
        send(&app, vec![said_by(3, Some(5), "model", 1)]).await;
        send(&app, vec![said_by(4, Some(6), "model", 1)]).await;
        send(&app, vec![agent(5, None, "zebra keeper"), agent(6, None, "zebra keeper")]).await;
        assert_eq!(found(&app, "zebra").await, ["question 3", "question 4"]);
        assert_eq!(indexed(app.org).await, (4, 2));
        delete(&app, "question 4").await;
        assert_eq!(indexed(app.org).await, (3, 1));
        assert_eq!(found(&app, "zebra").await, ["question 3"]);
        // What it says is compared, because its grams are not known.
        assert_eq!(found(&app, "no such text").await, Vec::<String>::new());
        assert_eq!(found(&app, "question 3").await, ["question 3"]);
        // Deleted with its own row, nothing is left of it.
        delete(&app, "question 3").await;
        assert_eq!(indexed(app.org).await, (2, 0));
    });
}

#[test]
fn a_renamed_span_is_indexed_as_it_is_now_when_its_first_row_is_dissolved() {
    run(async {
        let app = TestApp::new().await;
        let admin = admin().await;
        // One row of two turns, of which one is renamed.
        send(&app, vec![said_by(3, Some(5), "model", 1), said_by(4, None, "model", 1)]).await;
        send(&app, vec![agent(5, None, "zebra keeper")]).await;
        assert_eq!(indexed(app.org).await, (3, 1));
        delete(&app, "question 4").await;
        assert_eq!(indexed(app.org).await, (1, 1));
        assert_eq!(found(&app, "zebra").await, ["question 3"]);
        note_backlog(admin).await.expect("noted");
        index(admin).await.expect("indexed");
        assert_eq!(indexed(app.org).await, (2, 1));
        for search in ["zebra", "question 3", "reply 3"] {
            assert_eq!(found(&app, search).await, ["question 3"], "{search}");
        }
    });
}

#[test]
fn a_span_is_renamed_as_often_as_its_agent_is() {
    run(async {
        let app = TestApp::new().await;
        send(&app, vec![said_by(3, Some(2), "model", 1)]).await;
        let mut started = agent(2, None, "zebra");
        started.end_time_unix_nano = 0;
        send(&app, vec![started]).await;
        assert_eq!(said(&app, TRACE).await[1], json!(["turn", "zebra", "question 3", "reply 3"]));
        send(&app, vec![agent(2, None, "okapi")]).await;
        assert_eq!(said(&app, TRACE).await[1], json!(["turn", "okapi", "question 3", "reply 3"]));
        assert_eq!(found(&app, "okapi").await, ["question 3"]);
        assert_eq!(found(&app, "zebra").await, Vec::<String>::new());
    });
}

#[test]
fn small_rows_of_the_index_are_merged_and_what_was_indexed_again_stays_apart() {
    run(async {
        let app = TestApp::new().await;
        let admin = admin().await;
        for trace in 1..=40u8 {
            let of = |mut span: Span| {
                span.trace_id = vec![trace; 16];
                span
            };
            send(&app, vec![of(said_by(3, Some(2), "model", 1))]).await;
            send(&app, vec![of(agent(2, None, "zebra"))]).await;
        }
        assert_eq!(indexed(app.org).await, (80, 40));
        index(admin).await.expect("indexed");
        assert_eq!(indexed(app.org).await, (80, 40));
        let mut system = connection("sessionary_system", DATABASE).await;
        let rows: Vec<(i32, i32)> =
            sqlx::query_as("SELECT size, again FROM captured_pending WHERE org_id = $1 ORDER BY again")
                .bind(app.org)
                .fetch_all(&mut system)
                .await
                .expect("rows");
        assert_eq!(rows, [(80, 0), (40, 40)]);
        let page = dashboard(&app, "raw-logs", json!({"search": "zebra", "time_range": "all", "page_size": 100})).await;
        assert_eq!(page["total"], 80);
    });
}

#[test]
fn events_of_one_millisecond_are_listed_in_the_reverse_order_of_the_conversation() {
    run(async {
        let app = TestApp::new().await;
        for trace in 1..=5u8 {
            let of = |id: u8, parent: Option<u8>| {
                let mut span = span(id, parent, &format!("{trace}.{id}"), vec![]);
                span.trace_id = vec![trace; 16];
                span.start_time_unix_nano = self::span(trace, None, "", vec![]).start_time_unix_nano;
                span
            };
            // A child ends, and is exported, before the span above it.
            for span in [of(3, Some(2)), of(2, Some(1)), of(4, Some(1)), of(1, None)] {
                send(&app, vec![span]).await;
            }
            let names: Vec<Value> = messages(&app, &format!("{trace:02x}").repeat(16))
                .await
                .iter()
                .map(|m| m["primitive_name"].clone())
                .collect();
            assert_eq!(json!(names), json!([1, 2, 4, 3].map(|id| format!("{trace}.{id}"))));
        }
        let page = dashboard(&app, "raw-logs", json!({"time_range": "all"})).await;
        let names: Vec<&Value> =
            page["logs"].as_array().expect("logs").iter().map(|log| &log["primitive_name"]).collect();
        let expected: Vec<String> =
            (1..=5).rev().flat_map(|trace| [3, 4, 2, 1].map(|id| format!("{trace}.{id}"))).collect();
        assert_eq!(json!(names), json!(expected));
        let csv = ask(&app, "raw-logs/export", &json!({"time_range": "all"})).send().await.expect(200).text();
        let at = |name: &str| csv.find(name).expect("the name");
        assert!(expected.is_sorted_by_key(|name| at(name)), "{csv}");
    });
}

#[test]
fn a_conversation_whose_events_have_moved_away_is_no_more() {
    run(async {
        let app = TestApp::new().await;
        let status =
            async |route: &str| ask(&app, route, &json!({"conversation_id": TRACE})).send().await.status.as_u16();
        send(&app, vec![said_by(3, Some(2), "model", 1)]).await;
        assert_eq!(events(&app, TRACE).await.len(), 1);
        send(&app, vec![span(2, None, "chat", vec![text("session.id", "s")])]).await;
        for route in ["conversation-messages", "conversation-spans", "conversation-detail"] {
            assert_eq!(status(route).await, 404, "{route}");
        }
        let stories = dashboard(&app, "user-stories", json!({"time_range": "all"})).await;
        assert_eq!((&stories["total"], &stories["user_stories"][0]["session_id"]), (&json!(1), &json!("s")));
        let summary = dashboard(&app, "command-center-summary", json!({"time_range": "all"})).await;
        assert!(!summary.to_string().contains(TRACE), "{summary}");
        // Events that come to it later show it again.
        let mut other = span(7, None, "agent", vec![text("session.id", TRACE)]);
        other.trace_id = vec![7; 16];
        send(&app, vec![other]).await;
        assert_eq!(events(&app, TRACE).await.len(), 1);
        let stories = dashboard(&app, "user-stories", json!({"time_range": "all"})).await;
        assert_eq!(stories["total"], 2);
    });
}
