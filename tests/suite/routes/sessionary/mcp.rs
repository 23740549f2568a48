//! `POST /sessionary/mcp`.

use serde_json::{Value, json};
use sessionary::domain::DialectName;

use super::across::{begin, begin_all, called, say};
use crate::support::{Ask, TestApp, run};

const MCP: &str = "/sessionary/mcp";

fn rpc<'a>(app: &'a TestApp, method: &str, params: &Value) -> Ask<'a> {
    app.post(MCP, json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
}

fn call<'a>(app: &'a TestApp, name: &str, arguments: &Value) -> Ask<'a> {
    rpc(app, "tools/call", &json!({"name": name, "arguments": arguments}))
}

/// Returns whether a call failed, and its result: JSON, or what is wrong.
async fn result(ask: Ask<'_>) -> (bool, Value) {
    let reply = ask.send().await.expect(200).json();
    let result = &reply["result"];
    let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {reply}"));
    let failed = result["isError"] == true;
    (failed, if failed { json!(text) } else { serde_json::from_str(text).expect("JSON") })
}

#[test]
fn an_agent_lists_reads_and_searches() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let ids = begin_all(&app).await;
        let begun =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let begun = rpc(&app, "initialize", &begun).send().await.expect(200).json();
        assert_eq!(begun["result"]["serverInfo"]["name"], "sessionary");
        let tools = rpc(&app, "tools/list", &json!({})).send().await.expect(200).json();
        assert_eq!(tools["result"]["tools"].as_array().expect("tools").len(), 4);

        for (dialect, id) in DialectName::ALL.into_iter().zip(&ids) {
            say(&app, dialect, id, "where is my umbrella").await;
            let session = called(&app, id).await;
            let (_, listed) = result(call(&app, "list_sessions", &json!({"dialect": [dialect.as_str()]}))).await;
            assert_eq!(listed["sessions"], json!([session]));
            let about = json!({"session_id": session["id"]});
            let (_, single) = result(call(&app, "get_session", &about)).await;
            assert_eq!((&single["vendor_id"], &single["state"]), (&json!(id), &json!("open")));
            let (_, messages) = result(call(&app, "read_messages", &about)).await;
            let first = &messages["messages"][0];
            assert_eq!((&first["role"], &first["text"]), (&json!("user"), &json!("where is my umbrella")));
            assert_eq!(messages["messages"][1]["role"], "assistant");
            let (failed, text) = result(call(&other, "get_session", &about)).await;
            assert_eq!((failed, text), (true, json!("There is no such session.")));
        }
        let (_, found) = result(call(&app, "search_sessions", &json!({"q": "UMBRELLA", "limit": 2}))).await;
        let next = json!({"q": "UMBRELLA", "limit": 2, "cursor": found["next_cursor"]});
        let (_, more) = result(call(&app, "search_sessions", &next)).await;
        assert_eq!(
            (found["results"].as_array().map(Vec::len), more["results"].as_array().map(Vec::len)),
            (Some(2), Some(2))
        );
        assert_ne!(found["results"], more["results"]);
    });
}

#[test]
fn a_wrong_call_says_what_is_wrong() {
    run(async {
        let app = TestApp::new().await;
        for (name, arguments, part) in [
            ("list_sessions", json!({"nonsense": 1}), "nonsense"),
            ("list_sessions", json!({"limit": 1_000}), "limit"),
            ("list_sessions", json!({"state": "closed"}), "state"),
            ("list_sessions", json!({"q": {}}), "wrong type"),
            ("list_sessions", json!({"cursor": "x"}), "cursor"),
            ("get_session", json!({}), "session_id"),
            ("get_session", json!({"session_id": "x"}), "no such session"),
            ("read_messages", json!({"session_id": "x"}), "no such session"),
            ("search_sessions", json!({"q": ""}), "q must"),
            ("search_sessions", json!({"q": "\u{0}"}), "q must"),
        ] {
            let (failed, text) = result(call(&app, name, &arguments)).await;
            assert!(failed && text.as_str().is_some_and(|text| text.contains(part)), "{name} {arguments}: {text}");
        }
        let unknown = call(&app, "drop_everything", &json!({})).send().await.json();
        assert!(unknown["error"]["code"].is_number(), "{unknown}");
        // Messages are a scope of their own.
        let key = app.key_with("sessions:read").await;
        let id = begin(&app, DialectName::Agntix).await;
        let about = json!({"session_id": called(&app, &id).await["id"]});
        let ask = call(&app, "read_messages", &about).without("x-api-key").header("x-api-key", &key);
        let (failed, text) = result(ask).await;
        assert!(failed && text.as_str().is_some_and(|text| text.contains("events:read")));
    });
}

#[test]
fn what_is_not_the_protocol_is_a_4xx() {
    run(async {
        let app = TestApp::new().await;
        for body in ["", "x", "{}", "[]", "null", r#"{"jsonrpc":"2.0"}"#] {
            let status = app.post(MCP, body).send().await.status;
            assert!(status.is_client_error(), "{body}: {status}");
        }
        let large =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"x":"{}"}}}}"#, "x".repeat(300_000));
        app.post(MCP, large).send().await.expect(413);
        app.get(MCP).send().await.expect(405);
        rpc(&app, "tools/list", &json!({})).anonymous().send().await.expect(401);
        rpc(&app, "tools/list", &json!({})).header("origin", "https://evil.example").send().await.expect(403);
        rpc(&app, "tools/list", &json!({})).header("origin", "http://localhost:5173").send().await.expect(200);
        let bearer = format!("Bearer {}", app.key);
        rpc(&app, "tools/list", &json!({})).anonymous().header("authorization", bearer).send().await.expect(200);
    });
}

/// A result that a model reads has a bounded size, and its cursor leads on.
#[test]
fn results_are_bounded() {
    run(async {
        let app = TestApp::new().await;
        let id = begin(&app, DialectName::AgentKey).await;
        let session = called(&app, &id).await;
        let path = format!("/sessionary/v1/sessions/{}/events", session["id"].as_str().expect("an id"));
        for _ in 0..12 {
            let body = json!({"role": "user", "text": "é".repeat(20_000)}).to_string();
            app.post(&path, body).send().await.expect(201);
        }
        let (mut count, mut arguments) = (0, json!({"session_id": session["id"], "limit": 100}));
        for _ in 0..12 {
            let reply = call(&app, "read_messages", &arguments).send().await.expect(200);
            assert!(reply.bytes.len() < 200_000, "{} bytes", reply.bytes.len());
            let text = reply.json()["result"]["content"][0]["text"].as_str().expect("a text").to_owned();
            let page: Value = serde_json::from_str(&text).expect("JSON");
            let messages = page["messages"].as_array().expect("messages");
            assert!(messages.iter().all(|message| message["shortened"] == true));
            count += messages.len();
            if page["next_cursor"].is_null() {
                break;
            }
            arguments["cursor"] = page["next_cursor"].clone();
        }
        assert_eq!(count, 12);
    });
}
