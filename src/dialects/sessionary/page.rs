//! Pages of lists, and cursors that are sealed to their list.
//!
//! A cursor contains a position only, and every page is read within the caller's organization, so a forged cursor
//! cannot show rows that the caller may not list. The seal distinguishes the cursors of this list with these filters
//! from those of others, so that such a cursor is rejected instead of skipping rows.

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::problem::SessionaryError;
use super::query::{Parameter, Query, RawQuery, invalid, once};
use crate::domain::OrgId;
use crate::http::Reply;

/// Default and largest number of rows of a page.
const DEFAULT_LIMIT: usize = 25;
pub(super) const MAX_LIMIT: usize = 100;
/// Limit of the characters of a cursor. The longest one has the id of a user, of 2,048 control characters that JSON escapes.
const MAX_CURSOR: usize = 17_000;
const SEAL: usize = 16;

/// The parameters that every list has.
pub(super) const PAGING: [Parameter; 2] = [once("limit"), once("cursor")];

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Continues the list; `null` on the last page.
    pub next_cursor: Option<String>,
}

/// A list with its filters.
pub(super) struct List {
    path: String,
    query: Query,
    org: OrgId,
    /// The parameter with the position after which a page begins.
    position: &'static str,
    pub limit: usize,
}

impl List {
    /// Returns the list that a request asks for. `filters` are the parameters that it has beside `limit` and `cursor`.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidQuery`] for an unknown or repeated parameter, or a limit that is no number from 1 to
    /// 100.
    pub fn of(raw: &RawQuery, org: OrgId, filters: &[Parameter]) -> Result<Self, SessionaryError> {
        let known: Vec<Parameter> = filters.iter().chain(&PAGING).copied().collect();
        let query = raw.with(&known)?;
        let limit = query.parsed("limit", "a number from 1 to 100")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(invalid("limit", "must be a number from 1 to 100"));
        }
        Ok(Self { path: raw.path.clone(), query, org, position: "cursor", limit })
    }

    /// Returns a list whose pages the service cuts, so that `cursor` is its only parameter.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidQuery`] for any other parameter.
    pub fn in_parts(raw: &RawQuery, org: OrgId) -> Result<Self, SessionaryError> {
        let query = raw.with(&[once("cursor")])?;
        Ok(Self { path: raw.path.clone(), query, org, position: "cursor", limit: DEFAULT_LIMIT })
    }

    /// Returns a list without pages that continues after the line with the cursor `after`. `filters` are the other
    /// parameters.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidQuery`] for an unknown or repeated parameter.
    pub fn after_lines(raw: &RawQuery, org: OrgId, filters: &[Parameter]) -> Result<Self, SessionaryError> {
        let known: Vec<Parameter> = filters.iter().copied().chain([once("after")]).collect();
        Ok(Self { path: raw.path.clone(), query: raw.with(&known)?, org, position: "after", limit: DEFAULT_LIMIT })
    }

    /// Returns the filters.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Returns the position after which the page begins, or `None` for the first page.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidCursor`] if the cursor was not returned by this list with these filters.
    pub fn after<C: DeserializeOwned>(&self) -> Result<Option<C>, SessionaryError> {
        let Some(text) = self.query.text(self.position) else { return Ok(None) };
        self.open(text).map(Some).ok_or(SessionaryError::InvalidCursor)
    }

    /// Returns the response with a page. `next` is the position after which the next page begins.
    pub fn page<T: Serialize, C: Serialize>(&self, data: Vec<T>, next: Option<C>) -> Response {
        let next_cursor = next.and_then(|position| self.cursor(&position));
        let link = next_cursor.as_deref().and_then(|cursor| self.link(cursor));
        let mut response = Reply(StatusCode::OK, Page { data, next_cursor }).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    fn link(&self, cursor: &str) -> Option<HeaderValue> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.filters());
        query.append_pair("limit", &self.limit.to_string()).append_pair("cursor", cursor);
        HeaderValue::try_from(format!("<{}?{}>; rel=\"next\"", self.path, query.finish())).ok()
    }

    /// Returns the cursor of a position in this list.
    pub fn cursor<C: Serialize>(&self, position: &C) -> Option<String> {
        let mut bytes = serde_json::to_vec(position).ok()?;
        let seal = self.seal(&bytes);
        bytes.extend_from_slice(&seal);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn open<C: DeserializeOwned>(&self, text: &str) -> Option<C> {
        if text.len() > MAX_CURSOR {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (position, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        if self.seal(position) != seal {
            return None;
        }
        serde_json::from_slice(position).ok()
    }

    fn seal(&self, position: &[u8]) -> [u8; SEAL] {
        let mut hash = Sha256::new().chain_update("sessionary page 1\0").chain_update(self.org.0);
        let filters = self.query.filters().filter(|(name, _)| *name != self.position);
        for text in [&*self.path].into_iter().chain(filters.flat_map(|(name, value)| [name, value])) {
            hash = hash.chain_update(text.len().to_be_bytes()).chain_update(text);
        }
        let whole: [u8; 32] = hash.chain_update("\0").chain_update(position).finalize().into();
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&whole[..SEAL]);
        seal
    }
}

/// The position of a row by time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ByTime {
    pub at: crate::domain::Timestamp,
    pub id: uuid::Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::QueryPairs;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn list(query: &str, org: u128) -> List {
        let raw = RawQuery::of("/sessionary/v1/things", QueryPairs::of(query));
        List::of(&raw, OrgId(Uuid::from_u128(org)), &[once("a"), once("b")]).ok().unwrap()
    }

    proptest! {
        #[test]
        fn a_cursor_is_valid_for_its_own_list_and_filters(position: u64, org: u128, cut in 1usize..20) {
            let own = list("a=1&b=2", org);
            let cursor = own.cursor(&position).unwrap();
            prop_assert_eq!(own.open::<u64>(&cursor), Some(position));
            prop_assert_eq!(list("a=1&b=2&limit=7", org).open::<u64>(&cursor), Some(position));
            for other in [list("a=1", org), list("a=1&b=3", org), list("a=1b&b=2", org), list("a=1&b=2", !org)] {
                prop_assert_eq!(other.open::<u64>(&cursor), None);
            }
            prop_assert_eq!(own.open::<u64>(&cursor[..cursor.len() - cut]), None);
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,100}|[a-zA-Z0-9_-]{0,60}") {
            prop_assert_eq!(list("", 1).open::<u64>(&text), None);
        }
    }
}
