//! Every operation lists the responses that it shares with others, in the dialect's own envelope, and no others.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use sessionary::domain::{ApiName, DialectName};

use super::{document, operations};
use crate::authorization::matrix::unlimited;
use crate::authorization::objects;
use crate::authorization::table::{Body, Row, documented, further};
use crate::support::{run, webhooks};

/// Returns a response, resolving a reference to one of the document's components.
fn resolved<'d>(document: &'d Value, response: &'d Value) -> &'d Value {
    match response["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("the component"),
        None => response,
    }
}

/// Returns the names of the schemas of a response's body.
fn schemas_of(response: &Value) -> BTreeSet<String> {
    let contents = response["content"].as_object().into_iter().flat_map(serde_json::Map::values);
    let named = contents.flat_map(|content| {
        let text = content["schema"].to_string();
        let names = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        names.map(ToOwned::to_owned).collect::<Vec<_>>()
    });
    named.collect()
}

/// The facts that determine an operation's responses.
struct Facts {
    credential: bool,
    body: bool,
    path: bool,
    idempotency_key: bool,
    streams: bool,
}

impl Facts {
    fn of(operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let security = operation["security"].as_array().expect("the operation states its credentials");
        let takes = |scheme: &str| security.iter().any(|requirement| requirement.get(scheme).is_some());
        let responses = operation["responses"].as_object().expect("responses");
        Self {
            credential: takes("api_key") || takes("bearer") || takes("org_id"),
            body: operation["requestBody"].is_object(),
            path: parameters.iter().any(|parameter| parameter["in"] == "path"),
            idempotency_key: parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key"),
            streams: responses.values().any(|response| response["content"].get("text/event-stream").is_some()),
        }
    }

    /// Returns the statuses of the shared rejections that the operation must list.
    fn shared(&self) -> BTreeSet<&'static str> {
        let mut statuses = BTreeSet::new();
        if self.credential {
            statuses.extend(["400", "401", "403", "422", "429", "503"]);
        }
        if self.body {
            statuses.extend(["400", "413", "415", "429", "503"]);
        }
        if self.path {
            statuses.insert("400");
        }
        if self.idempotency_key {
            statuses.extend(["400", "409", "422"]);
        }
        statuses
    }
}

/// Returns the schema of the shared rejections with a status.
fn envelope(api: ApiName, status: &str) -> &'static str {
    match (api, status) {
        (ApiName::Dialect(DialectName::Messaging), "401") => "KeyRequired",
        (ApiName::Dialect(DialectName::Messaging), _) => "ServerEnvelope",
        (ApiName::Sessionary, _) => "Problem",
        _ => "Envelope",
    }
}

/// Returns the schemas of a dialect's errors.
fn envelopes(api: ApiName) -> &'static [&'static str] {
    match api {
        ApiName::Dialect(DialectName::Messaging) => &["Envelope", "ServerEnvelope", "KeyRequired"],
        ApiName::Dialect(DialectName::IntegerId) => &["Envelope", "BareEnvelope"],
        // Health has the same members whether or not the service is ready.
        ApiName::Dialect(DialectName::Agntix) => &["Envelope", "Health"],
        ApiName::Dialect(DialectName::Agnost | DialectName::AgentKey) => &["Envelope"],
        ApiName::Sessionary => &["Problem"],
    }
}

#[test]
fn every_operation_lists_the_rejections_that_it_shares() {
    for api in ApiName::ALL {
        let document = document(api);
        for (method, path, operation) in operations(&document) {
            let at = format!("{api}: {method} {path}");
            let responses = operation["responses"].as_object().expect("responses");
            for status in Facts::of(&operation).shared() {
                let response = responses.get(status).unwrap_or_else(|| panic!("{at}: {status} is not listed"));
                let schemas = schemas_of(resolved(&document, response));
                assert!(schemas.contains(envelope(api, status)), "{at}: {status} is {schemas:?}");
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let response = resolved(&document, response);
                assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{at}: {status}");
                let schemas = schemas_of(response);
                let known = schemas.iter().all(|schema| envelopes(api).contains(&schema.as_str()));
                assert!(known && !schemas.is_empty(), "{at}: {status} is {schemas:?}");
            }
        }
    }
}

#[test]
fn no_operation_lists_what_it_cannot_respond() {
    for api in ApiName::ALL {
        let document = document(api);
        for (method, path, operation) in operations(&document) {
            let at = format!("{api}: {method} {path}");
            let facts = Facts::of(&operation);
            let token = path.ends_with("/token");
            let text_of = |status: &str| {
                resolved(&document, &operation["responses"][status])["description"].as_str().unwrap_or("").to_owned()
            };
            let lists = |status: &str| operation["responses"].get(status).is_some();
            for status in ["413", "415"] {
                assert!(facts.body || !lists(status), "{at}: {status} without a body");
            }
            for status in ["401", "403"] {
                assert!(facts.credential || token || !lists(status), "{at}: {status}");
            }
            for status in ["409", "422"] {
                let mentions = text_of(status).contains("Idempotency-Key");
                assert_eq!(mentions, facts.idempotency_key, "{at}: {status}");
            }
            assert_eq!(text_of("429").contains("open streams"), facts.credential && facts.streams, "{at}: streams");
            assert!(!text_of("400").contains("The body") || facts.body, "{at}: 400");
        }
    }
}

#[test]
fn every_reference_leads_to_a_component_and_every_id_is_unique() {
    for api in ApiName::ALL {
        let document = document(api);
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{api}: {reference}");
        }
        let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
        let mut ids = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            let at = format!("{api}: {method} {path}");
            let requirements = operation["security"].as_array().expect("security").iter();
            for scheme in requirements.flat_map(|one| one.as_object().expect("schemes").keys()) {
                assert!(schemes.contains_key(scheme), "{at}: {scheme}");
            }
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            assert!(ids.insert(id), "{at}: another operation has its id");
        }
        assert!(document["servers"].as_array().is_some_and(|servers| !servers.is_empty()), "{api}");
    }
}

/// Only routes in a table of the suite are 501 or have no success, and all of them are described.
#[test]
fn every_route_that_is_not_implemented_is_described() {
    for api in ApiName::ALL {
        let document = document(api);
        let rows = || documented(api).iter().copied().chain(further(api));
        let missing = |row: &Row| row.success >= 400;
        for row in rows().filter(|row| missing(row) && row.path != "/api/messaging/sessions/health") {
            let responses = &document["paths"][row.path][row.method.to_lowercase()]["responses"];
            let response = responses.get(row.success.to_string());
            let response = response.unwrap_or_else(|| panic!("{api}: {} {} is not described", row.method, row.path));
            assert_eq!(schemas_of(resolved(&document, response)), BTreeSet::from(["Envelope".to_owned()]));
        }
        for (method, path, operation) in operations(&document) {
            let responses = operation["responses"].as_object().expect("responses");
            let succeeds = responses.keys().any(|status| status.starts_with('2'));
            let row = rows().find(|row| row.path == path && row.method.eq_ignore_ascii_case(&method));
            assert_eq!(succeeds, !row.is_some_and(|row| missing(&row)), "{api}: {method} {path}");
        }
    }
}

/// The examples of the shared rejections are rendered; these are the responses that a client gets.
#[test]
fn the_examples_of_rejections_are_what_clients_get() {
    run(async {
        let _webhooks = webhooks::alone().await;
        for api in ApiName::ALL {
            let document = document(api);
            let app = unlimited().await;
            let objects = objects::make(&app, api).await;
            let row = documented(api).iter().find(|row| {
                row.success == 201
                    && row.scope.is_some()
                    && matches!(row.body, Body::Json(_))
                    && !row.path.contains('{')
            });
            let row = row.expect("a route that creates");
            let path = objects::path_of(row, &objects);
            let operation = &document["paths"][row.path]["post"];
            let valid = || objects::request(&app, row, &path, &objects);
            let with_key = |key: &str| valid().header("x-api-key", key);
            let other = app.ask(Method::POST, &path).anonymous().header("x-api-key", &app.key);
            let reading = app.key_with("agents:read").await;
            for (name, ask) in [
                ("Credentials", valid()),
                ("Scope", with_key(&reading)),
                ("Type", other.header("content-type", "text/plain").body("text")),
                ("Body", with_key(&app.key).body("{")),
                ("Encoding", with_key(&app.key).header("content-encoding", "br")),
            ] {
                let at = format!("{api}: {name}");
                let reply = objects::send(ask).await;
                let response = resolved(&document, &operation["responses"][reply.status.as_str()]);
                let media_type =
                    if api == ApiName::Sessionary { "application/problem+json" } else { "application/json" };
                let example = &response["content"][media_type]["examples"][name]["value"];
                assert_eq!(super::examples::shape(&reply.json()), super::examples::shape(example), "{at}");
            }
        }
    });
}
