//! The background workers.

mod erasure;
mod erasures;
mod webhooks;
