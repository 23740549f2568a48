//! One conversation, and all of them (docs/dialects/agnost.md).

pub mod detail;
pub mod hierarchy;
pub mod list;
pub mod messages;
pub mod query;
pub mod spans;
