//! The HTTP client that enforces the rule on addresses.

use std::error::Error;
use std::time::Duration;

use reqwest::{RequestBuilder, redirect, retry};
use url::Url;

use super::{ForbiddenAddress, PrivateAddresses};

/// Limit of the headers of a response. The HTTP client limits their text to about 400 KiB.
const MAX_HEADERS: usize = 64;

/// An HTTP client that calls only allowed addresses, follows no redirect and never retries. Clones share its
/// connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    addresses: PrivateAddresses,
}

impl Client {
    /// Creates a client. `connect` is the time limit for a connection: name look-up, TCP and TLS together.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(addresses: PrivateAddresses, connect: Duration) -> Result<Self, NoTls> {
        let client = |builder: reqwest::ClientBuilder| {
            builder
                .dns_resolver(addresses.clone())
                // A proxy would look up names itself, without the rule on addresses.
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .retry(retry::never())
                .http1_only()
                .http1_max_headers(MAX_HEADERS)
                .connect_timeout(connect)
                .user_agent(concat!("sessionary/", env!("CARGO_PKG_VERSION")))
                .build()
        };
        let built = client(reqwest::Client::builder()).or_else(|_| {
            // A machine without root certificates can still call endpoints that need none.
            tracing::warn!("this machine has no root certificates: endpoints behind https cannot be reached");
            client(reqwest::Client::builder().tls_certs_only([]))
        });
        Ok(Self { http: built.map_err(|_| NoTls)?, addresses })
    }

    /// Returns a POST request to be sent.
    ///
    /// # Errors
    /// When the URL has an address that must not be called. A name's addresses are checked when the request is sent.
    pub fn post(&self, url: &Url) -> Result<RequestBuilder, ForbiddenAddress> {
        self.addresses.check(url)?;
        Ok(self.http.post(url.clone()))
    }

    /// A GET request that is still to be sent.
    ///
    /// # Errors
    /// When the URL names an address that must not be called. A name's addresses are looked at when it is sent.
    pub fn get(&self, url: &Url) -> Result<RequestBuilder, ForbiddenAddress> {
        self.addresses.check(url)?;
        Ok(self.http.get(url.clone()))
    }

    /// A HEAD request that is still to be sent.
    ///
    /// # Errors
    /// When the URL has an address that must not be called. A name's addresses are checked when the request is sent.
    pub fn head(&self, url: &Url) -> Result<RequestBuilder, ForbiddenAddress> {
        self.addresses.check(url)?;
        Ok(self.http.head(url.clone()))
    }
}

/// TLS cannot be set up on this machine.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("TLS cannot be set up on this machine")]
pub struct NoTls;

/// Why no response was received. The client's own error is not included, because it may quote the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// There was no connection, or it ended before the response began.
    Unreachable,
    ForbiddenAddress,
    /// The response is in another protocol.
    NotHttp,
}

impl From<ForbiddenAddress> for Unsent {
    fn from(_: ForbiddenAddress) -> Self {
        Self::ForbiddenAddress
    }
}

impl From<reqwest::Error> for Unsent {
    fn from(error: reqwest::Error) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<ForbiddenAddress>() {
                return Self::ForbiddenAddress;
            }
            if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
                return Self::NotHttp;
            }
            cause = error.source();
        }
        Self::Unreachable
    }
}
