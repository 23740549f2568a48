//! Public keys that someone else publishes, an issuer of tokens or a sender of signed reports: fetched, cached in memory
//! and in the database, and fetched again.
//!
//! Requests read the current set without a lock. They never fetch: one task per publisher does, so that a client that hangs
//! up stops no fetch, and any number of unknown key ids lead to one fetch. A fetch takes at most five seconds and
//! 512 KiB and follows no redirect. Where it fails, the set stays as it was.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::Deserialize;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use url::{Host, Url};

use crate::domain::{Clock, Timestamp};
use crate::outbound::Client;
use crate::store::admin::AdminStore;

/// How long a fetch may take, discovery included.
const FETCH: Duration = Duration::from_secs(5);
/// How long a request waits for a fetch.
const WAIT: Duration = Duration::from_secs(6);
/// Bytes of one document. Large providers publish some 20 KiB.
const MAX_BYTES: usize = 512 * 1024;
/// How often the keys are fetched in any case, so that a key that the issuer has withdrawn stops being accepted.
const AT_LEAST: Duration = Duration::from_secs(60 * 60);
/// How often unknown key ids may lead to a fetch, and how soon one that failed is tried again.
const AT_MOST: Duration = Duration::from_secs(30);
/// How often the task looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// A set of keys in its published form.
pub(super) trait KeyDocument: Send + Sync + Sized {
    /// Reads a set. Returns `None` if it has no key that can be used.
    fn read(document: &str) -> Option<Self>;
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetSource {
    /// A JSON Web Key Set.
    Url(Url),
    /// The document that OpenID Connect Discovery puts below the issuer's own URL.
    Discovery(Url),
}

/// Why there is no key for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMissing {
    /// The publisher has no such key.
    Unknown,
    /// The publisher cannot be reached, so that it is not known.
    Unreachable,
}

/// The keys that one publisher publishes.
pub(super) struct PublishedKeys<K> {
    /// The name of the publisher: of an issuer, or the setting that names it.
    issuer: String,
    source: KeySetSource,
    current: ArcSwapOption<K>,
    progress: watch::Sender<Progress>,
    wanted: Notify,
}

/// How far fetching has got.
#[derive(Clone, Copy, Debug)]
struct Progress {
    is_fetching: bool,
    /// Fetches that have ended.
    ended: u64,
    has_failed: bool,
    /// When unknown key ids may lead to a fetch again.
    next_on_demand: Option<Timestamp>,
    /// When the next fetch is due in any case.
    due: Option<Timestamp>,
}

impl<K: KeyDocument> PublishedKeys<K> {
    pub fn new(issuer: String, source: KeySetSource) -> Self {
        // Tokens that come before the first fetch has ended wait for it.
        let progress = Progress { is_fetching: true, ended: 0, has_failed: false, next_on_demand: None, due: None };
        Self {
            issuer,
            source,
            current: ArcSwapOption::empty(),
            progress: watch::Sender::new(progress),
            wanted: Notify::new(),
        }
    }

    /// Returns the key that `find` finds in the set. Where it is not known, the keys are fetched, at most once in 30 seconds however many
    /// unknown ids come.
    ///
    /// # Errors
    /// See [`KeyMissing`].
    pub async fn find<T>(&self, now: Timestamp, find: impl Fn(&K) -> Option<T> + Send) -> Result<T, KeyMissing> {
        let current = || self.current.load().as_ref().and_then(|keys| find(keys));
        if let Some(key) = current() {
            return Ok(key);
        }
        self.wait_for_fetch(now).await;
        current().ok_or_else(|| match *self.progress.borrow() {
            Progress { has_failed: true, .. } | Progress { ended: 0, .. } => KeyMissing::Unreachable,
            _ => KeyMissing::Unknown,
        })
    }

    /// Waits until a fetch has ended, after asking for one if one is allowed. Returns at once if none is.
    async fn wait_for_fetch(&self, now: Timestamp) {
        let mut progress = self.progress.subscribe();
        let ended = progress.borrow().ended;
        let asks = self.progress.send_if_modified(|progress| {
            let may_ask = !progress.is_fetching && progress.next_on_demand.is_none_or(|next| now >= next);
            if may_ask {
                progress.is_fetching = true;
                progress.next_on_demand = Some(now + AT_MOST);
            }
            may_ask
        });
        if asks {
            self.wanted.notify_one();
        } else if !self.progress.borrow().is_fetching {
            return;
        }
        let _ = timeout(WAIT, progress.wait_for(|progress| progress.ended != ended)).await;
    }

    /// Fetches the keys when they are wanted or due, for as long as it is polled.
    pub async fn run(&self, admin: &AdminStore, clock: &Clock, client: &Client) {
        self.load(admin).await;
        loop {
            self.fetch_if_due(admin, clock, client).await;
            tokio::select! {
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Takes the keys that were stored, so that a restart while the issuer is down locks nobody out.
    async fn load(&self, admin: &AdminStore) {
        match admin.key_set(&self.issuer, &self.source.to_string()).await {
            Ok(Some(stored)) => self.current.store(K::read(&stored).map(Arc::new)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, issuer = self.issuer, "auth.stored_keys_not_read"),
        }
    }

    async fn fetch_if_due(&self, admin: &AdminStore, clock: &Clock, client: &Client) {
        let now = clock.now();
        let progress = *self.progress.borrow();
        if !progress.is_fetching && progress.due.is_some_and(|due| now < due) {
            return;
        }
        self.progress.send_modify(|progress| progress.is_fetching = true);
        // Ends the fetch for those who wait, also where this future is dropped or panics.
        let mut fetch = Fetch { progress: &self.progress, has_failed: true, now };
        match timeout(FETCH, self.source.fetch::<K>(client, &self.issuer)).await.unwrap_or(Err(FetchError::TooSlow)) {
            Ok((document, keys)) => {
                self.current.store(Some(Arc::new(keys)));
                fetch.has_failed = false;
                drop(fetch);
                if let Err(error) = admin.store_key_set(&self.issuer, &self.source.to_string(), &document, now).await {
                    tracing::warn!(%error, issuer = self.issuer, "auth.keys_not_stored");
                }
            }
            Err(error) => tracing::warn!(%error, issuer = self.issuer, "auth.keys_not_fetched"),
        }
    }
}

/// A fetch under way.
struct Fetch<'k> {
    progress: &'k watch::Sender<Progress>,
    has_failed: bool,
    now: Timestamp,
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        let after = if self.has_failed { AT_MOST } else { AT_LEAST };
        self.progress.send_modify(|progress| {
            progress.is_fetching = false;
            progress.ended += 1;
            progress.has_failed = self.has_failed;
            progress.due = Some(self.now + after);
        });
    }
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the issuer took longer than five seconds")]
    TooSlow,
    #[error("the issuer cannot be reached")]
    Unreachable,
    #[error("the issuer responded with {0}")]
    Status(http::StatusCode),
    #[error("the document has more than 512 KiB")]
    TooLarge,
    #[error("the discovery document cannot be read")]
    NoDiscovery,
    #[error("the discovery document is another issuer's")]
    OtherIssuer,
    #[error("the keys are at an address that is not protected by TLS")]
    Unprotected,
    #[error("the document has no key that can be used")]
    NoKeys,
}

/// What is read of a discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl KeySetSource {
    async fn fetch<K: KeyDocument>(&self, client: &Client, issuer: &str) -> Result<(String, K), FetchError> {
        let keys_at = match self {
            Self::Url(url) => url.clone(),
            Self::Discovery(url) => {
                let document = get(client, url).await?;
                let found: Discovery = serde_json::from_str(&document).map_err(|_| FetchError::NoDiscovery)?;
                // OpenID Connect Discovery, section 4.3: else one issuer could vouch for another's users.
                if found.issuer != issuer {
                    return Err(FetchError::OtherIssuer);
                }
                Url::parse(&found.jwks_uri).map_err(|_| FetchError::NoDiscovery)?
            }
        };
        if !is_protected(&keys_at) {
            return Err(FetchError::Unprotected);
        }
        let document = get(client, &keys_at).await?;
        let keys = K::read(&document).ok_or(FetchError::NoKeys)?;
        Ok((document, keys))
    }
}

impl std::fmt::Display for KeySetSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) | Self::Discovery(url) => url.fmt(f),
        }
    }
}

/// Returns `true` if nobody on the way can change what is fetched from there: by TLS, or because it is this machine.
pub(crate) fn is_protected(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_here
}

async fn get(client: &Client, url: &Url) -> Result<String, FetchError> {
    let request = client.get(url).map_err(|_| FetchError::Unreachable)?;
    let mut response = request.send().await.map_err(|_| FetchError::Unreachable)?;
    if response.status() != http::StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let mut document = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Unreachable)? {
        if document.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        document.extend_from_slice(&chunk);
    }
    String::from_utf8(document).map_err(|_| FetchError::NoKeys)
}
