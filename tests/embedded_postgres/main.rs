//! The embedded Postgres from the view of its service.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what it measured, and fails where it cannot go on"
)]

mod killed;
mod life;
mod place;
mod support;
