mod delete;
mod get;
mod patch;
mod post;
mod revoke;

use std::time::Duration;

use serde_json::{Value, json};
use sessionary::store::{Store, StoreSettings};

use crate::support::agntix::{KEYS, SESSIONS};
use crate::support::{Reply, TestApp, database};

/// Texts that are no key's id, in any spelling.
const NOBODYS_KEYS: [&str; 8] = [
    "key_01j3m8xkqp8v2nw4f7g9hk0r00",
    "key_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "KEY_01J3M8XKQP8V2NW4F7G9HK0R00",
    "ses_01j3m8xkqp8v2nw4f7g9hk0r00",
    "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
    "0",
    "%00",
    "%F0%9F%98%80",
];

/// Makes a key with these members besides its name.
async fn make(app: &TestApp, members: Value) -> Value {
    let mut body = json!({ "name": "Production" });
    for (name, value) in members.as_object().expect("an object") {
        body[name] = value.clone();
    }
    app.post(KEYS, body.to_string()).send().await.expect(201).json()
}

fn text<'a>(key: &'a Value, member: &str) -> &'a str {
    key[member].as_str().expect("a text")
}

/// Makes a key with these members besides its name, or not, as the holder of another key.
async fn make_with(app: &TestApp, key: &str, members: &str) -> Reply {
    let comma = if members.is_empty() { "" } else { "," };
    app.post(KEYS, format!(r#"{{"name":"child"{comma}{members}}}"#)).anonymous().header("x-api-key", key).send().await
}

/// The members of a key in lists.
async fn listed(app: &TestApp, id: &str) -> Value {
    let keys = app.get(KEYS).send().await.expect(200).json();
    let found = keys["data"].as_array().expect("keys").iter().find(|key| key["id"] == id);
    found.expect("the key").clone()
}

/// Lists sessions with this key.
async fn used(app: &TestApp, key: &str) -> Reply {
    app.get(SESSIONS).anonymous().header("x-api-key", key).send().await
}

/// Returns the same organization with a service that caches for longer than a test takes.
async fn with_long_memory(app: &TestApp) -> TestApp {
    let settings = StoreSettings { lookup_cache: Duration::from_secs(600), pool: 2, ..StoreSettings::default() };
    app.replica(Store::connect(database().await, settings).await.expect("a store"))
}
