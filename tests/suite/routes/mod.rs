//! One module per path.

mod api;
mod v1;
mod v2;
