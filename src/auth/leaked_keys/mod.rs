//! Reports of leaked API keys and access tokens, as GitHub's secret scanning sends them to the partners of its programme:
//! each key and each token in a report is revoked at once.
//!
//! A report is signed with one of the keys that GitHub publishes. Nothing of it is read before the signature is
//! verified, so that the route says nothing about keys to anyone else.

mod report;
mod route;
mod signing_keys;

use std::fmt;
use std::sync::Arc;

use url::Url;

use super::published_keys::{KeySetSource, PublishedKeys};
use crate::domain::Clock;
use crate::outbound::Client;
use crate::store::admin::AdminStore;
pub(crate) use route::routes;
use signing_keys::SigningKeys;

/// The name under which the keys are stored.
const PUBLISHER: &str = "leaked-keys";

/// What accepts reports. Clones share the keys.
#[derive(Clone)]
pub struct LeakReports {
    keys: Arc<PublishedKeys<SigningKeys>>,
    admin: AdminStore,
}

impl LeakReports {
    /// Accepts reports that are signed with one of the keys that are published at `url`.
    #[must_use]
    pub fn new(url: Url, admin: AdminStore) -> Self {
        let keys = PublishedKeys::new(PUBLISHER.to_owned(), KeySetSource::Url(url));
        Self { keys: Arc::new(keys), admin }
    }

    /// Fetches the published keys, when they are wanted or due, for as long as it is polled.
    pub async fn fetch_keys(&self, clock: &Clock, client: &Client) {
        self.keys.run(&self.admin, clock, client).await;
    }
}

impl fmt::Debug for LeakReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeakReports")
    }
}
