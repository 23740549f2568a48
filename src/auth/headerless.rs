//! A token from a browser's `EventSource`, which cannot set headers: in the query, or else in Clerk's cookie.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, header};

/// The cookie in which Clerk stores a session's token.
const COOKIE: &str = "__session";
const PARAMETER: &str = "token";

/// Returns the token, not verified yet. The query has precedence.
pub(super) fn token(parts: &Parts) -> Option<Cow<'_, str>> {
    parameter(parts.uri.query().unwrap_or_default()).or_else(|| cookie(&parts.headers, COOKIE).map(Cow::Borrowed))
}

fn parameter(query: &str) -> Option<Cow<'_, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == PARAMETER).map(|(_, value)| value)
}

/// Returns the value of the first cookie of this name.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use proptest::prelude::*;

    fn token_of(uri: &str, cookies: &[&str]) -> Option<String> {
        let request = cookies.iter().fold(Request::get(uri), |request, line| request.header("cookie", *line));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        token(&parts).map(Cow::into_owned)
    }

    #[test]
    fn the_query_decides_and_then_the_session_cookie() {
        assert_eq!(token_of("/?a=1&token=a.b%2Ec&token=x", &["__session=d"]).as_deref(), Some("a.b.c"));
        assert_eq!(token_of("/?token=", &["__session=d"]).as_deref(), Some(""));
        for cookies in [&["__session=d.e"][..], &["a=b; __session=d.e;c=d"], &["a", "__session_x=f; __session=d.e"]] {
            assert_eq!(token_of("/?tokens=a", cookies).as_deref(), Some("d.e"), "{cookies:?}");
        }
        for cookies in [&[][..], &["session=a"], &["__session_x=a"], &["__session"]] {
            assert_eq!(token_of("/", cookies), None, "{cookies:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cookie_is_found_among_others(token in "[!-:<-~]{0,40}", others in "([a-z]{1,4}=[!-:<-~]{0,6}; ?){0,3}") {
            let line = format!("{others}__session={token}");
            prop_assert_eq!(token_of("/", &[&line]), Some(token));
        }

        #[test]
        fn no_query_and_no_cookie_breaks_the_reader(query in "[!-~&&[^#]]{0,40}", cookie in "[ -~]{0,40}") {
            if format!("/?{query}").parse::<http::Uri>().is_ok() {
                let _ = token_of(&format!("/?{query}"), &[&cookie]);
            }
        }
    }
}
