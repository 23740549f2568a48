//! Captured events (docs/dialects/agnost.md).

pub mod appended;
pub mod capture;
pub mod event;
