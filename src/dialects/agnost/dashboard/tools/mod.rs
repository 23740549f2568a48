//! The tools of an organization (docs/dialects/agnost.md). The vendor's page shows no bodies; these are this service's own.

pub mod checkpoints;
pub mod dashboard;
pub mod errors;
pub mod stats;
pub mod time_series;
