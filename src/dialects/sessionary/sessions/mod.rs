//! Sessions of all dialects.

pub mod get;
mod session;
