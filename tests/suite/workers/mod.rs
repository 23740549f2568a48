//! The background workers.

mod erasure;
pub mod erasures;
mod webhooks;

pub use erasures::{TURN, planted::Person};
