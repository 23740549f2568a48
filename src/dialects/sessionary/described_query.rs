//! Rejects query parameters that an operation does not have, for every operation that the document describes and that
//! has a caller.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

use super::problem::{Fault, SessionaryError};
use crate::dialects::sessionary::Sessionary;
use crate::http::{Deferred, QueryPairs};

/// Unknown parameters that a response names at most.
const MAX_FAULTS: usize = 10;

/// The query parameters of every operation.
#[derive(Clone)]
pub(super) struct DescribedQueries {
    /// The operations of each path.
    operations: Arc<HashMap<String, Vec<OperationQuery>>>,
}

/// The names of the query parameters of one operation.
struct OperationQuery {
    method: Method,
    parameters: HashSet<String>,
}

impl DescribedQueries {
    /// Reads the parameters from the document.
    pub fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter();
        Self { operations: Arc::new(paths.map(|(path, item)| (path.clone(), operations(item))).collect()) }
    }

    /// Returns an error for each parameter that the operation does not have.
    fn unknown(&self, method: &Method, path: &str, query: &str) -> Vec<Fault> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let operations = self.operations.get(path).map(Vec::as_slice).unwrap_or_default();
        let Some(operation) = operations.iter().find(|operation| operation.method == method) else {
            return Vec::new();
        };
        let pairs = QueryPairs::of(query);
        let unknown = pairs.iter().map(|(name, _)| name).filter(|name| !operation.parameters.contains(*name));
        unknown.take(MAX_FAULTS).map(Fault::unknown_parameter).collect()
    }
}

fn operations(item: &PathItem) -> Vec<OperationQuery> {
    let operations = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    let described = |(method, operation): (Method, &Option<Operation>)| {
        Some(OperationQuery { method, parameters: parameters(operation.as_ref()?) })
    };
    operations.into_iter().filter_map(described).collect()
}

fn parameters(operation: &Operation) -> HashSet<String> {
    let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Query) => Some(parameter.name.clone()),
        _ => None,
    });
    parameters.collect()
}

/// Has a request answered with 400 if its query has a parameter that its operation does not have. The caller is
/// authenticated before.
pub(super) async fn check(State(described): State<DescribedQueries>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if let (Some(query), Some(path)) = (request.uri().query(), route) {
        let faults = described.unknown(request.method(), path, query);
        if !faults.is_empty() {
            request.extensions_mut().insert(Deferred::<Sessionary>(SessionaryError::InvalidQuery(faults)));
        }
    }
    next.run(request).await
}
