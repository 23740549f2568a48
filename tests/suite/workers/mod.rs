//! The background workers.

mod erasure;
mod erasures;
mod webhooks;

pub use erasures::{TURN, planted::Person};
