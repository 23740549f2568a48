//! Captured events as the dashboard reads them (docs/dialects/agnost.md).

pub mod count;
pub mod export;
pub mod export_errors;
pub mod export_logs;
pub mod get;
pub mod list;
pub mod list_errors;
pub mod log_page;
pub mod search;
