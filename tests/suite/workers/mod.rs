//! The background workers.

mod erasure;
pub mod erasures;
mod webhooks;
