mod api_keys;
mod charts;
mod command_center_summary;
mod conversation_detail;
mod conversation_messages;
mod conversation_spans;
mod dashboard;
mod errors;
mod event_io;
mod metadata_distribution;
mod not_here;
mod organization_keys;
mod organizations;
mod profile;
mod raw_logs;
mod spotlight_search;
mod tool_checkpoint_stats;
mod tool_error_distribution;
mod tool_stats;
mod tool_time_series;
mod tools_dashboard;
mod user_stories;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::agnost::{CAPTURE_SESSION, capture, observed_with};
use crate::support::{TestApp, start};

/// Unix milliseconds so many seconds before the tests' clock began.
fn ago(seconds: i64) -> i64 {
    (start() - TimeDelta::seconds(seconds)).timestamp_millis()
}

/// A little shop: two conversations of two agents, a tool that works and one that fails, events of long ago.
async fn shop() -> TestApp {
    let app = TestApp::new().await;
    for (session, user, kind) in [("conv_a", "ann", "sdk"), ("conv_b", "bob", "http")] {
        let body = json!({
            "session_id": session, "user_data": {"user_id": user, "plan": "pro"}, "connection_type": kind,
            "client_config": format!("client-{user}"), "metadata": {"language": "en"},
        });
        app.post(CAPTURE_SESSION, body.to_string()).send().await.expect(200);
    }
    for (session, id, name, kind, success, latency, seconds, said, answer, model) in [
        ("conv_a", "a-1", "support", "", true, 100, 30, "Where is my order?", "On its way.", "m-1"),
        ("conv_a", "a-2", "search", "tool", true, 50, 20, "{\"tool\":\"search\",\"q\":\"order\"}", "found", "m-1"),
        ("conv_a", "a-3", "pay", "tool", false, 70, 10, "", "card declined", "m-2"),
        ("conv_b", "b-1", "sales", "", true, 300, 1_800, "\"50% off_ for h\\u00e9lo\\u00efse?\"", "No.", "m-1"),
        ("conv_b", "b-2", "pay", "tool", false, 90, 7_200, "", "card declined", "m-1"),
        ("conv_b", "b-3", "search", "tool", true, 10, 3 * 86_400, "", "", "m-1"),
        ("conv_b", "b-4", "search", "tool", true, 30, 20 * 86_400, "", "", "m-1"),
        ("conv_b", "b-5", "search", "tool", false, 50, 400 * 86_400, "", "gone", "m-1"),
    ] {
        let event = json!({
            "event_id": id, "session_id": session, "primitive_name": name, "primitive_type": kind, "success": success,
            "latency": latency, "timestamp": ago(seconds), "args": said, "result": answer,
            "metadata": {"model": model, "event_type": "", "n": seconds},
            "checkpoints": [{"name": "db", "timestamp": latency / 10}, {"name": 5}, 7],
        });
        capture(&app, observed_with(event)).await;
    }
    app
}

/// The ids of the events on a page.
fn ids(page: &Value) -> Vec<&str> {
    page["logs"].as_array().expect("logs").iter().map(|log| log["event_id"].as_str().expect("an id")).collect()
}
