//! `POST /dashboard/api/raw-logs`, `raw-logs/count` and `raw-logs/export`.

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{ago, ids, shop};
use crate::support::agnost::{CAPTURE_EVENT, ask, capture, dashboard, observed_with, refuses_what_it_must};
use crate::support::{TestApp, run};

#[test]
fn each_filter_shows_what_it_says() {
    run(async {
        let app = shop().await;
        let everything = ["a-3", "a-2", "a-1", "b-1", "b-2", "b-3", "b-4", "b-5"];
        for (filters, shown, counted) in [
            (json!({}), &everything[..6], json!(6)),
            (json!({"time_range": "1min"}), &everything[..3], json!(3)),
            (json!({"time_range": "1h"}), &everything[..4], json!(4)),
            (json!({"time_range": "1d"}), &everything[..5], json!(5)),
            (json!({"time_range": "1w"}), &everything[..6], json!(6)),
            (json!({"time_range": "1m"}), &everything[..7], json!(7)),
            (json!({"time_range": "all"}), &everything[..], json!(8)),
            (json!({"agent_name": "pay"}), &["a-3", "b-2"][..], json!(2)),
            (json!({"agent_name": ["pay", "sales"], "time_range": "all"}), &["a-3", "b-1", "b-2"], json!(3)),
            (json!({"agent_name": "nobody"}), &[], json!(0)),
            (json!({"connection_type": "sdk"}), &["a-3", "a-2", "a-1"], Value::Null),
            (json!({"connection_type": ["http", "stdio"]}), &["b-1", "b-2", "b-3"], Value::Null),
            (json!({"client_config": "client-ann"}), &["a-3", "a-2", "a-1"], Value::Null),
            (json!({"metadata_filters": [{"key": "model", "value": "m-2"}]}), &["a-3"], Value::Null),
            (
                json!({"metadata_filters": [{"key": "n", "value": 20}, {"key": "model", "value": "m-1"}]}),
                &["a-2"],
                Value::Null,
            ),
            (json!({"metadata_filters": [{"key": "nothing", "value": ""}]}), &[], Value::Null),
            (json!({"search": "ORDER"}), &["a-2", "a-1"], Value::Null),
            (json!({"page_size": 2}), &["a-3", "a-2"], json!(6)),
            (json!({"page_size": 2, "page": 3}), &["b-2", "b-3"], json!(6)),
            (json!({"page_size": 2, "page": 4}), &[], json!(6)),
            (json!(null), &everything[..6], json!(6)),
        ] {
            let body = if filters.is_null() { String::new() } else { filters.to_string() };
            let read = |route: &str| app.post(&format!("/dashboard/api/{route}"), body.clone()).send();
            let page = read("raw-logs").await.expect(200).json();
            assert_eq!(ids(&page), shown, "{filters}");
            assert_eq!(read("raw-logs/count").await.expect(200).json(), json!({"total_count": counted}), "{filters}");
            if let Some(total) = counted.as_i64() {
                assert_eq!(page["total"], total, "{filters}");
            }
        }
        refuses_what_it_must(&app, "raw-logs", &json!({})).await;
        refuses_what_it_must(&app, "raw-logs/count", &json!({})).await;
        refuses_what_it_must(&app, "raw-logs/export", &json!({})).await;
    });
}

#[test]
fn cursors_lead_through_everything_once() {
    run(async {
        let app = shop().await;
        for filters in [json!({"time_range": "all"}), json!({"time_range": "all", "search": "o"})] {
            let whole = dashboard(&app, "raw-logs", filters.clone()).await;
            let mut walked: Vec<String> = Vec::new();
            let mut query = filters.clone();
            query["page_size"] = json!(3);
            loop {
                let page = dashboard(&app, "raw-logs", query.clone()).await;
                walked.extend(ids(&page).into_iter().map(str::to_owned));
                match page.get("next_cursor") {
                    Some(cursor) => query["cursor"] = cursor.clone(),
                    None => break,
                }
            }
            assert_eq!(walked, ids(&whole));
        }
    });
}

#[test]
fn an_export_is_all_of_it_and_no_formula() {
    run(async {
        let app = shop().await;
        let evil = json!({
            "event_id": "=cmd|' /C calc'!A0", "session_id": "conv_a", "primitive_name": "@SUM(1+1)", "latency": 1,
            "args": "a,\"b\"\nc", "result": "-1+2", "timestamp": ago(1),
        });
        capture(&app, observed_with(evil)).await;
        let reply = ask(&app, "raw-logs/export", &json!({"time_range": "all"})).send().await.expect(200);
        assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"raw-logs.csv\""));
        let text = reply.text();
        let mut lines = text.split("\r\n");
        assert_eq!(
            lines.next().unwrap(),
            "\u{feff}event_id,session_id,conversation_id,user_id,timestamp,kind,primitive_name,success,latency,input,output,args,\
             result,metadata,parent_id,connection_type,client_config"
        );
        let first = lines.next().unwrap();
        assert!(first.starts_with("\"'=cmd|' /C calc'!A0\",conv_a,"), "{first}");
        assert!(first.contains(",\"'@SUM(1+1)\",true,1,\"a,\"\"b\"\"\nc\",\"'-1+2\","), "{first}");
        assert_eq!(lines.filter(|line| !line.is_empty()).count(), 8);
        let negative =
            json!({"session_id": "conv_a", "primitive_name": "n", "args": "-12.5", "result": -3, "timestamp": ago(1)});
        capture(&app, observed_with(negative)).await;
        let numbers = ask(&app, "raw-logs/export", &json!({"agent_name": "n"})).send().await.expect(200).text();
        assert!(numbers.contains(",-12.5,-3,"), "{numbers}");
        let some = ask(&app, "raw-logs/export", &json!({"agent_name": "pay"})).send().await.expect(200).text();
        assert_eq!(some.matches("\r\n").count(), 3);
        let none = ask(&app, "raw-logs/export", &json!({"agent_name": "nobody"})).send().await.expect(200).text();
        assert_eq!(none.matches("\r\n").count(), 1);
    });
}

/// Pieces end by rows and by bytes: more than one of either kind.
#[test]
fn a_long_export_comes_in_pieces_and_whole() {
    run(async {
        let app = TestApp::new().await;
        let big = "x".repeat(1_500_000);
        let calls = (0..2_100_i64).map(|place| {
            let said = if place % 300 == 0 { big.as_str() } else { "hi" };
            let event = observed_with(json!({"event_id": place.to_string(), "args": said, "timestamp": ago(place)}));
            let app = &app;
            async move { app.post(CAPTURE_EVENT, event).send().await.expect(200) }
        });
        stream::iter(calls).buffer_unordered(64).collect::<Vec<_>>().await;
        let response = ask(&app, "raw-logs/export", &json!({})).open().await;
        let mut pieces = response.into_body().into_data_stream();
        let (mut text, mut largest, mut count) = (Vec::new(), 0, 0);
        while let Some(piece) = pieces.next().await {
            let piece = piece.expect("a piece");
            largest = largest.max(piece.len());
            count += 1;
            text.extend_from_slice(&piece);
        }
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.matches("\r\n").count(), 2_101);
        for place in [0, 299, 300, 999, 1_000, 2_099] {
            assert_eq!(text.matches(&format!("\r\n{place},")).count(), 1, "{place}");
        }
        assert!(count >= 4, "{count} pieces");
        // An input is written twice, as it reads and as it was sent.
        assert!(largest < 2 * (4 * 1024 * 1024 + 2 * 1_500_000), "a piece of {largest} bytes");
    });
}
