//! The three headers with credentials, each of which may occur once, and tokens without a header.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, header};

use super::admission::Admission;
use super::headerless;
use crate::http::Rejection;

/// The credentials of a request, not verified yet.
pub(super) struct Credentials<'a> {
    pub api_key: Option<&'a str>,
    pub bearer: Option<Bearer<'a>>,
    pub org: Option<&'a str>,
    /// A token without a header; only if that is accepted and the request has none of the headers.
    pub headerless: Option<Cow<'a, str>>,
}

pub(super) enum Bearer<'a> {
    Token(&'a str),
    /// An `Authorization` header of another scheme.
    Other,
}

impl<'a> Credentials<'a> {
    /// Reads the credentials of a request.
    ///
    /// # Errors
    /// [`Rejection::MalformedHeader`] for a header that occurs twice or is not text.
    pub fn read(parts: &'a Parts, admission: Admission) -> Result<Self, Rejection> {
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

fn once<'a>(headers: &'a HeaderMap, name: &str, spelling: &'static str) -> Result<Option<&'a str>, Rejection> {
    let mut given = headers.get_all(name).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Rejection::MalformedHeader(spelling));
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| Rejection::MalformedHeader(spelling))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STRICT: Admission = Admission {
        org_header: false,
        key_as_bearer: false,
        headerless_token: false,
        console_cookie: false,
        nothing: super::super::admission::Nothing::Unauthenticated,
    };

    fn parts(headers: &[(&'static str, Vec<u8>)]) -> Option<Parts> {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, http::HeaderValue::from_bytes(value).ok()?);
        }
        Some(request.body(()).ok()?.into_parts().0)
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_reader(
            headers in prop::collection::vec((
                prop::sample::select(vec!["authorization", "x-api-key", "x-org-id"]),
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..24), "(?i)(bearer|basic)? ?[!-~]{0,12} ?".prop_map(String::into_bytes),
                ],
            ), 0..4),
        ) {
            let Some(parts) = parts(&headers) else { return Ok(()) };
            let count = |name: &str| headers.iter().filter(|(other, _)| *other == name).count();
            let repeated = ["authorization", "x-api-key", "x-org-id"].into_iter().any(|name| count(name) > 1);
            let readable = headers.iter().all(|(_, value)| value.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')));
            let read = Credentials::read(&parts, STRICT);
            prop_assert_eq!(read.is_ok(), !repeated && readable);
            if let Ok(read) = read {
                prop_assert_eq!(read.api_key.is_some(), count("x-api-key") == 1);
                prop_assert_eq!(read.org.is_some(), count("x-org-id") == 1);
                prop_assert_eq!(read.bearer.is_some(), count("authorization") == 1);
            }
        }

        #[test]
        fn a_token_is_what_follows_its_scheme(scheme in "(?i)bearer", space in " {1,3}", token in "[!-~]{1,40}") {
            let parts = parts(&[("authorization", format!("{scheme}{space}{token}").into_bytes())]).unwrap();
            match Credentials::read(&parts, STRICT).unwrap().bearer {
                Some(Bearer::Token(read)) => prop_assert_eq!(read, token),
                _ => prop_assert!(false, "no token"),
            }
        }
    }
}
