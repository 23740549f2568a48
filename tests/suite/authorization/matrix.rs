//! Every operation with every credential.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use futures::{StreamExt, stream};
use serde_json::Value;
use sessionary::domain::{ApiName, DialectName};

use super::credentials::{Credential, Verdict, every, expected, verifier};
use super::objects::{self, Objects};
use super::rows;
use super::table::{Row, documented, further};
use crate::support::{Reply, Setup, TestApp, agnost, agntix, run, webhooks};
use crate::workers::erasures::TURN;

/// Rejected requests in progress at once. Accepted ones are sent one after another, because an organization can use
/// only a part of the database.
const AT_ONCE: usize = 16;

/// Returns a service whose limits the matrix does not reach.
pub async fn unlimited() -> TestApp {
    let setup =
        Setup { jwt: Some(verifier()), per_address: NonZeroU32::new(1_000_000), operator: true, ..Setup::default() };
    let app = TestApp::with(setup).await;
    app.limit_to(1_000_000).await;
    app
}

/// Returns the operations of a dialect's OpenAPI document, as `POST /path`.
pub fn described(api: ApiName) -> BTreeSet<String> {
    let document = serde_json::to_value(sessionary::dialects::openapi(api)).expect("JSON");
    let methods = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let of_path = item.as_object().expect("operations").keys().filter(|name| methods.contains(&name.as_str()));
        of_path.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[test]
fn the_table_has_one_row_for_every_operation() {
    for api in ApiName::ALL {
        let name = |row: &Row| format!("{} {}", row.method, row.path);
        let documented: Vec<String> = documented(api).iter().map(name).collect();
        let mut rows: Vec<String> = documented.iter().cloned().chain(further(api).iter().map(name)).collect();
        let described = described(api);
        for row in &documented {
            assert!(described.contains(row), "{api}: {row} has a row and is not documented");
        }
        for operation in &described {
            assert!(rows.contains(operation), "{api}: {operation} is documented and has no row");
        }
        let count = rows.len();
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), count, "{api}: two rows for one operation");
    }
}

#[test]
fn agnost_admits_what_the_table_says() {
    run(holds(ApiName::Dialect(DialectName::Agnost)));
}

#[test]
fn agntix_admits_what_the_table_says() {
    run(holds(ApiName::Dialect(DialectName::Agntix)));
}

#[test]
fn agent_key_admits_what_the_table_says() {
    run(holds(ApiName::Dialect(DialectName::AgentKey)));
}

#[test]
fn messaging_admits_what_the_table_says() {
    run(holds(ApiName::Dialect(DialectName::Messaging)));
}

#[test]
fn integer_id_admits_what_the_table_says() {
    run(holds(ApiName::Dialect(DialectName::IntegerId)));
}

#[test]
fn sessionary_admits_what_the_table_says() {
    run(holds(ApiName::Sessionary));
}

/// Sends every operation with every credential. Requests that must be rejected come first, all for the same objects,
/// and must not change stored data. Requests that are accepted have their own objects.
async fn holds(api: ApiName) {
    let _retention = if api == ApiName::Sessionary { Some(TURN.lock().await) } else { None };
    let _webhooks = if api == ApiName::Sessionary { Some(webhooks::alone().await) } else { None };
    let (app, other, disabled) = (unlimited().await, unlimited().await, TestApp::new().await);
    let credentials = every(&app, &other, &disabled).await;
    let table: Vec<Row> = documented(api).iter().copied().chain(further(api)).collect();
    let mut objects = objects::make(&app, api).await;
    // Numbers are unique within an organization only, so these must differ from the other's.
    let others_numbers = if api == ApiName::Dialect(DialectName::IntegerId) { 12 } else { 0 };
    for _ in 0..others_numbers {
        objects = objects::make(&app, api).await;
    }
    let cells = || table.iter().flat_map(|row| credentials.iter().map(move |credential| (row, credential)));
    let verdict = |(row, credential): (&Row, &Credential)| expected(row, api, credential.is);

    let before = rows::of(app.org).await;
    let outside = |cell: &(&Row, &Credential)| verdict(*cell) != Verdict::Admitted;
    let mut wrong: Vec<String> = stream::iter(cells().filter(outside))
        .map(|(row, credential)| ask(&app, api, row, credential, &objects))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let after = rows::of(app.org).await;
    let unchanged = before == after;

    let inside = |cell: &(&Row, &Credential)| verdict(*cell) == Verdict::Admitted;
    let admitted: Vec<String> = stream::iter(cells().filter(inside))
        .map(async |(row, credential)| {
            let changes = row.method != "GET" && (row.path.contains('{') || row.scope.is_none());
            let own = if changes { objects::make(&app, api).await } else { objects.clone() };
            ask(&app, api, row, credential, &own).await
        })
        .buffer_unordered(1)
        .filter_map(std::future::ready)
        .collect()
        .await;
    wrong.extend(admitted);
    assert!(wrong.is_empty(), "{api}: {} cells are wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(unchanged, "{api}: a rejected request changed what is stored\n{before:?}\n{after:?}");
    let [rejected, admitted] = [cells().filter(outside).count(), cells().filter(inside).count()];
    assert!(rejected > 5 * table.len() && admitted > table.len(), "{rejected} and {admitted} cells");
}

/// Sends one cell. Returns what is wrong with the response.
async fn ask(app: &TestApp, api: ApiName, row: &Row, credential: &Credential, objects: &Objects) -> Option<String> {
    let mut path = objects::path_of(row, objects);
    if !credential.query.is_empty() {
        path = format!("{path}?{}", credential.query);
    }
    let ask = objects::request(app, row, &path, objects);
    let ask = credential.headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    let reply = objects::send(ask).await;
    let status = reply.status.as_u16();
    let verdict = expected(row, api, credential.is);
    let right = match verdict {
        Verdict::Admitted => status == row.success,
        Verdict::AdmittedElsewhere if is_for_operators(row) => status == 403 && is_envelope(api, &reply),
        Verdict::AdmittedElsewhere if row.path.contains('{') && !row.path.contains("{user_id}") => {
            status == 404 || status == row.success && row.success >= 500
        }
        Verdict::AdmittedElsewhere => ![400, 401, 403].contains(&status),
        Verdict::Rejected(expected) => status == expected && is_envelope(api, &reply),
    };
    let cell = format!("{} {} with {}", row.method, row.path, credential.name);
    (!right).then(|| format!("{cell}: expected {verdict:?}, got {status} {:.160}", reply.text()))
}

/// Returns whether an operation is for callers of an operator's organization only.
pub fn is_for_operators(row: &Row) -> bool {
    row.path.starts_with("/sessionary/v1/organizations") || row.path == "/sessionary/v1/health"
}

/// Returns whether this is a rejection in the dialect's format.
fn is_envelope(api: ApiName, reply: &Reply) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(&reply.bytes) else { return false };
    match api {
        ApiName::Dialect(DialectName::Agnost) => agnost::is_envelope(reply),
        ApiName::Dialect(DialectName::Agntix) => agntix::is_envelope(reply),
        ApiName::Dialect(DialectName::AgentKey) => body["messages"].is_array() && body["request_id"].is_string(),
        ApiName::Dialect(DialectName::Messaging) if reply.status == 401 => {
            body["error"].is_string() && body["message"].is_string()
        }
        ApiName::Dialect(DialectName::Messaging) => body["success"] == false && body["error"]["message"].is_string(),
        ApiName::Dialect(DialectName::IntegerId) => body["success"] == false && body["error"].is_string(),
        ApiName::Sessionary => body["code"].is_string() && body["status"] == reply.status.as_u16(),
    }
}
