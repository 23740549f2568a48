//! An organization at a glance (docs/dialects/agnost.md).

pub mod dashboard;
pub mod metadata;
pub mod summary;
