//! One module per path.

mod api;
mod dashboard;
mod oauth2;
pub mod sessionary;
mod v1;
mod v2;
