//! A message and its reply, in every dialect: retried, interrupted, and with odd characters.

mod endings;
mod leases;
mod odd_characters;
mod retries;

use serde_json::json;

use crate::support::fake_responder::{self, FakeResponder, Step};
use crate::support::{Setup, TestApp, database};
use sessionary::store::{Store, StoreSettings};

/// Sets a model as the responder that plays these scripts, the last of them repeatedly.
async fn answered_by(app: &TestApp, scripts: impl IntoIterator<Item = Vec<Step>>) -> FakeResponder {
    let model = FakeResponder::start(scripts).await;
    app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
    model
}

/// A chunk of the chat completions API.
fn said(text: &str) -> String {
    format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": text } }] }))
}

/// Returns a complete reply of the chat completions API.
fn completion(text: &str) -> Vec<Step> {
    fake_responder::json(&json!({ "choices": [{ "message": { "content": text } }] }).to_string())
}

/// Returns a model's rejection that is not retried.
fn rejection() -> Vec<Step> {
    fake_responder::answer(400, "application/json", "{}")
}

/// Returns another replica of the service, with its own turns and its own connections to the database.
async fn replica(app: &TestApp) -> TestApp {
    let settings = StoreSettings { lookup_cache: std::time::Duration::ZERO, ..StoreSettings::default() };
    let store = Store::connect(database().await, settings).await.expect("a store");
    app.apart(store, Setup::default().responders)
}
