//! The query of a request: every parameter is known, and occurs once unless it may be repeated.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::problem::{Fault, SessionaryError};
use crate::domain::Timestamp;
use crate::http::QueryPairs;

/// The undecided query of a request, with the path that the links of a list begin with.
pub struct RawQuery {
    pub(super) path: String,
    pairs: QueryPairs,
}

impl RawQuery {
    pub(super) fn of(path: &str, pairs: QueryPairs) -> Self {
        Self { path: path.to_owned(), pairs }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RawQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts.uri.path(), QueryPairs::of(parts.uri.query().unwrap_or_default())))
    }
}

/// A parameter that an operation has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub repeatable: bool,
}

/// Returns a parameter that may occur once.
pub(super) const fn once(name: &'static str) -> Parameter {
    Parameter { name, repeatable: false }
}

/// Returns a parameter that may be repeated, and whose values may be separated by commas.
pub(super) const fn repeated(name: &'static str) -> Parameter {
    Parameter { name, repeatable: true }
}

/// A query whose parameters all belong to the operation.
pub(super) struct Query(Vec<(&'static str, String)>);

impl RawQuery {
    /// Returns the query, if its parameters are those of the operation.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidQuery`] for an unknown parameter, or one that is repeated and must not be.
    pub(super) fn with(&self, known: &[Parameter]) -> Result<Query, SessionaryError> {
        let mut faults = Vec::new();
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in self.pairs.iter() {
            match known.iter().find(|parameter| parameter.name == name) {
                Some(parameter) if !parameter.repeatable && pairs.iter().any(|(other, _)| *other == name) => {
                    faults.push(Fault::parameter(parameter.name, "must not be repeated"));
                }
                Some(parameter) => pairs.push((parameter.name, value.to_owned())),
                None => faults.push(Fault::unknown_parameter(name)),
            }
            if faults.len() >= 10 {
                break;
            }
        }
        if faults.is_empty() { Ok(Query(pairs)) } else { Err(SessionaryError::InvalidQuery(faults)) }
    }
}

impl Query {
    /// Returns the value of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// Returns all values of a repeatable parameter.
    pub fn texts<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        let values = self.0.iter().filter(move |(other, _)| *other == name).flat_map(|(_, value)| value.split(','));
        values.map(str::trim).filter(|value| !value.is_empty())
    }

    /// Returns the parsed value of a parameter. `expected` describes valid values: "must be …".
    ///
    /// # Errors
    /// [`SessionaryError::InvalidQuery`] if the value cannot be parsed.
    pub fn parsed<T: FromStr>(&self, name: &'static str, expected: &str) -> Result<Option<T>, SessionaryError> {
        let value = self.text(name).map(str::parse).transpose();
        value.map_err(|_| invalid(name, format!("must be {expected}")))
    }

    /// Returns the time of a parameter.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidQuery`] if it is not a time.
    pub fn time(&self, name: &'static str) -> Result<Option<Timestamp>, SessionaryError> {
        self.parsed(name, "a time such as 2026-04-29T09:00:00.000Z")
    }

    /// Returns the parameters but those that lead from page to page.
    pub(super) fn filters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let paging = |name: &str| name == "cursor" || name == "limit";
        self.0.iter().filter(move |(name, _)| !paging(name)).map(|(name, value)| (*name, value.as_str()))
    }
}

/// Returns the error of one parameter.
pub(super) fn invalid(name: &'static str, detail: impl Into<String>) -> SessionaryError {
    SessionaryError::InvalidQuery(vec![Fault::parameter(name, detail)])
}
