//! Examples of requests and responses. `examples.json` of each dialect has, for each operation, a request that the
//! service accepts and its response. The tests send every request again, and record the responses anew with
//! `RECORD_EXAMPLES=1 cargo test --test suite openapi::examples`.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, RefOr};

use crate::domain::{ApiName, DialectName};

/// One exchange.
#[derive(Deserialize)]
struct Example {
    /// `None` without a body, or if the body is not JSON.
    request: Option<Value>,
    status: u16,
    /// `None` without a body, or if the body is not JSON.
    response: Option<Value>,
}

/// Returns the exchanges of an API, by method and path.
fn examples(api: ApiName) -> HashMap<String, Example> {
    let text = match api {
        ApiName::Dialect(DialectName::Agnost) => include_str!("../../agnost/examples.json"),
        ApiName::Dialect(DialectName::Agntix) => include_str!("../../agntix/examples.json"),
        ApiName::Dialect(DialectName::AgentKey) => include_str!("../../agent_key/examples.json"),
        ApiName::Dialect(DialectName::Messaging) => include_str!("../../messaging/examples.json"),
        ApiName::Dialect(DialectName::IntegerId) => include_str!("../../integer_id/examples.json"),
        ApiName::Sessionary => include_str!("../../sessionary/examples.json"),
    };
    serde_json::from_str(text).unwrap_or_default()
}

/// Adds its example, if there is one, to every operation.
pub(super) fn add(document: &mut OpenApi, api: ApiName) {
    let mut examples = examples(api);
    for (path, item) in &mut document.paths.paths {
        let methods = ["GET", "PUT", "POST", "DELETE", "PATCH"];
        for (method, operation) in methods.into_iter().zip(super::operations(item)) {
            if let (Some(operation), Some(example)) = (operation, examples.remove(&format!("{method} {path}"))) {
                add_one(operation, example);
            }
        }
    }
}

fn add_one(operation: &mut Operation, example: Example) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        set(body.content.get_mut("application/json"), example.request);
    }
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(&example.status.to_string()) {
        set(response.content.get_mut("application/json"), example.response);
    }
}

fn set(content: Option<&mut RefOr<Content>>, example: Option<Value>) {
    if let (Some(RefOr::T(content)), Some(example)) = (content, example) {
        content.example = Some(example);
    }
}
