//! The embedded Postgres as its service sees it.

mod killed;
mod life;
mod place;
mod support;
