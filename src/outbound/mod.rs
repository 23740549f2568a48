//! The way out to endpoints that others name: which addresses may be called, one HTTP client that keeps to it, and
//! signed deliveries.

mod addresses;
mod client;
pub mod signature;

pub use addresses::{ForbiddenAddress, PrivateAddresses};
pub use client::{Client, NoTls, Unsent};
