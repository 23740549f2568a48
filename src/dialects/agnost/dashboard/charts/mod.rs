//! Charts (docs/dialects/agnost.md).

pub mod chart;
pub mod create;
pub mod delete;
pub mod list;
pub mod reorder;
