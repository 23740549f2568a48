//! Which events contain a text: what `migrations/0021_captured_search.sql` describes.
//!
//! A writer adds the grams of its events ([`add`]). A worker makes blocks of them ([`blocks`]), and adds events that
//! have none, because they are older than the index or were written by an older binary ([`backlog`]). A search looks up
//! candidates, newest first ([`find()`]); the caller reads them and compares.

pub(in crate::store) mod backlog;
pub(in crate::store) mod blocks;
mod find;
mod packing;
mod pending;

pub(super) use find::{Candidates, find};
pub(super) use packing::Entry;
pub(super) use pending::{add, add_again};
