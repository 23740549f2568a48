//! Calls to endpoints that customers name: the rule on addresses, one HTTP client that enforces it, and signed
//! deliveries.

mod addresses;
mod client;
pub mod signature;

pub use addresses::{ForbiddenAddress, PrivateAddresses};
pub use client::{Client, NoTls, Unsent};

use secrecy::SecretString;

use crate::domain::responder::HttpUrl;

/// An endpoint that the deployment names for signed requests.
#[derive(Clone, Debug)]
pub struct SignedEndpoint {
    pub url: HttpUrl,
    /// `None` leaves requests unsigned.
    pub secret: Option<SecretString>,
}
