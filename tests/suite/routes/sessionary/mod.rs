//! `/sessionary/v1`: the service's own API.

mod across;
mod audit;
mod changes;
mod console;
mod erasures;
mod events;
mod exports;
mod imports;
mod mcp;
mod round_trip;
mod search;
mod sessions;
mod streams;
mod tail;
mod usage;
mod users;

use serde_json::Value;

use crate::support::{Reply, TestApp};

/// Asserts that a reply is the problem with this code.
#[track_caller]
pub fn is_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status.as_u16(), reply.json()["code"].as_str()), (status, Some(code)), "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
}

/// Returns a problem without what differs between two requests.
pub fn without_request_id(reply: &Reply) -> Value {
    let mut problem = reply.json();
    problem.as_object_mut().expect("an object").remove("request_id");
    problem
}

/// Returns all items of a list, page by page, and asserts that no page has more than `limit`.
pub async fn all(app: &TestApp, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = app.get(&format!("{path}{separator}limit={limit}{cursor}")).send().await.expect(200).json();
        let data = page["data"].as_array().expect("a list");
        assert!(data.len() <= limit);
        items.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}
