//! Query parameters.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// The decoded parameters of a query, in their order. Each dialect validates them itself. Bytes that are not UTF-8
/// become U+FFFD.
#[derive(Debug, Default)]
pub struct QueryPairs(Vec<(String, String)>);

impl QueryPairs {
    /// Decodes a query, without the question mark.
    #[must_use]
    pub fn of(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Returns the parameters in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the first value of a parameter, which may be repeated.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the text of an integer without a fraction of zeros, because some clients write `20.0` for `20`. Other texts
/// are returned unchanged.
#[must_use]
pub fn without_zero_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros))
            if whole.ends_with(|last: char| last.is_ascii_digit())
                && !zeros.is_empty()
                && zeros.bytes().all(|byte| byte == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zeros_behind_a_point_are_no_fraction() {
        for (text, whole) in [
            ("20.0", "20"),
            ("-1.000", "-1"),
            ("20", "20"),
            ("20.", "20."),
            (".0", ".0"),
            ("-.0", "-.0"),
            ("1.05", "1.05"),
            ("1.0.0", "1.0.0"),
            ("x1.0", "x1"),
            ("x.0", "x.0"),
        ] {
            assert_eq!(without_zero_fraction(text), whole);
        }
    }

    proptest! {
        #[test]
        fn pairs_are_read_as_they_were_written(pairs in prop::collection::vec((".{0,8}", ".{0,12}"), 0..6)) {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let read = QueryPairs::of(&query);
            prop_assert_eq!(&read.0, &pairs);
            for (name, _) in &pairs {
                let first = pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
                prop_assert_eq!(read.first(name), first);
            }
        }

        #[test]
        fn no_query_breaks_the_reader(query in "[a-c=&%+;0-9A-F]{0,60}|.{0,60}") {
            let read = QueryPairs::of(&query);
            prop_assert!(read.0.len() <= query.matches('&').count() + 1);
        }
    }
}
