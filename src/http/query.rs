//! What stands behind the question mark.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// The parameters of a query, decoded, in their order. Each dialect judges them in its own words; bytes that are no
/// UTF-8 become U+FFFD.
#[derive(Debug, Default)]
pub struct QueryPairs(Vec<(String, String)>);

impl QueryPairs {
    /// Decodes the text behind the question mark.
    #[must_use]
    pub fn of(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter that may have been repeated.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
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
