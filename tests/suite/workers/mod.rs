//! The background workers.

mod erasure;
mod webhooks;
