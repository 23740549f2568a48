//! The three headers that carry credentials, each of which may come once, and what may stand in for them.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, header};

use super::admission::Admission;
use super::headerless;
use crate::http::Refusal;

/// What came, not yet believed.
pub(super) struct Credentials<'a> {
    pub api_key: Option<&'a str>,
    pub bearer: Option<Bearer<'a>>,
    pub org: Option<&'a str>,
    /// A token that came otherwise; only where that is admitted, and there is none of the headers.
    pub headerless: Option<Cow<'a, str>>,
}

pub(super) enum Bearer<'a> {
    Token(&'a str),
    /// An `Authorization` header of another scheme.
    Other,
}

impl<'a> Credentials<'a> {
    /// # Errors
    /// [`Refusal::MalformedHeader`] for a header that came twice or is no text.
    pub fn read(parts: &'a Parts, admission: Admission) -> Result<Self, Refusal> {
        let headers = &parts.headers;
        let bearer =
            once(headers, header::AUTHORIZATION.as_str(), "Authorization")?.map(|value| match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Bearer::Token(token.trim()),
                _ => Bearer::Other,
            });
        let api_key = once(headers, "x-api-key", "x-api-key")?;
        let org = once(headers, "x-org-id", "x-org-id")?;
        let none = api_key.is_none() && bearer.is_none() && org.is_none();
        let headerless = if none && admission.headerless_token { headerless::token(parts) } else { None };
        Ok(Self { api_key, bearer, org, headerless })
    }
}

fn once<'a>(headers: &'a HeaderMap, name: &str, spelling: &'static str) -> Result<Option<&'a str>, Refusal> {
    let mut given = headers.get_all(name).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Refusal::MalformedHeader(spelling));
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| Refusal::MalformedHeader(spelling))
}
