//! Captured events (docs/dialects/agnost.md).

pub mod capture;
pub mod event;
