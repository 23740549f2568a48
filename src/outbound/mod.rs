//! Calls to endpoints that customers name: the rule on addresses, one HTTP client that enforces it, and signed
//! deliveries.

mod addresses;
mod client;
pub mod signature;

pub use addresses::{ForbiddenAddress, PrivateAddresses};
pub use client::{Client, NoTls, Unsent};
