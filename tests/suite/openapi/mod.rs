//! The served OpenAPI documents are those of `openapi/`, and list what each operation can respond.

mod examples;
mod rejections;

use serde_json::Value;
use sessionary::domain::{ApiName, DialectName};

use crate::support::{TestApp, run};

#[test]
fn every_document_is_the_one_kept_in_the_tree() {
    for api in ApiName::ALL {
        let path = format!("{}/openapi/{api}.json", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let generated = sessionary::cli::openapi_text(api).expect("a document");
        assert!(
            kept == generated,
            "{path} is not what the code describes; accept the change with\n  cargo run -- openapi {api} > openapi/{api}.json"
        );
    }
}

#[test]
fn every_document_is_served() {
    run(async {
        let app = TestApp::new().await;
        for api in ApiName::ALL {
            let served = app.get(&format!("/openapi/{api}.json")).anonymous().send().await.expect(200).json();
            let kept = sessionary::cli::openapi_text(api).expect("a document");
            assert_eq!(served, serde_json::from_str::<serde_json::Value>(&kept).expect("JSON"), "{api}");
            assert!(served["paths"].as_object().is_some_and(|paths| !paths.is_empty()), "{api}");
        }
    });
}

fn document(api: ApiName) -> Value {
    serde_json::from_str(&sessionary::cli::openapi_text(api).expect("a document")).expect("JSON")
}

/// Returns every operation of a document: its method, its path and its description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| -> Vec<_> {
        let operations = item.as_object().expect("operations").iter();
        operations.map(|(method, operation)| (method.clone(), path.clone(), operation.clone())).collect()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn agntix_describes_its_operations_at_their_older_paths_as_well() {
    run(async {
        let app = TestApp::new().await;
        let document = document(ApiName::Dialect(DialectName::Agntix));
        let methods = |path: &str| {
            let item = document["paths"][path].as_object().unwrap_or_else(|| panic!("{path} is not described"));
            item.keys().cloned().collect::<std::collections::BTreeSet<String>>()
        };
        for (alias, path) in [
            ("/api/v1/chat/sessions", "/v1/chat/chat/sessions"),
            ("/api/v1/chat/sessions/{sessionId}", "/v1/chat/chat/sessions/{sessionId}"),
            ("/api/v1/chat/sessions/{sessionId}/close", "/v1/chat/chat/sessions/{sessionId}/close"),
            ("/api/v1/chat/sessions/{sessionId}/messages", "/v1/chat/chat/sessions/{sessionId}/messages"),
            ("/v1/chat/agents", "/v2/chat/agents"),
            ("/v1/chat/agents/{agentId}", "/v2/chat/agents/{agentId}"),
        ] {
            assert_eq!(methods(alias), methods(path), "{alias}");
            for method in methods(alias) {
                // It is served, and not only described.
                let method: http::Method = method.to_uppercase().parse().expect("a method");
                let reply = app.ask(method.clone(), &alias.replace(['{', '}'], "")).anonymous().send().await;
                assert_eq!(reply.status, 401, "{method} {alias}");
            }
        }
    });
}
