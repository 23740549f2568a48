//! One module per path.

mod api;
mod dashboard;
mod oauth2;
mod sessionary;
mod v1;
mod v2;
