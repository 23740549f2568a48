//! API keys, for people with a token (docs/dialects/agnost.md).

pub mod create;
pub mod delete;
pub mod list;
