//! One module per path.

mod api;
mod dashboard;
mod v1;
mod v2;
