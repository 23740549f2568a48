//! Captured sessions (docs/dialects/agnost.md).

pub mod capture;
pub mod implied;
