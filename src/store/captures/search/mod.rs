//! Search of events by a text. `migrations/0021_captured_search.sql` describes the index.
//!
//! A writer adds the grams of its events ([`add`]). A worker makes blocks of them ([`blocks`]), and indexes events
//! without grams, which are older than the index or were written by an older binary ([`backlog`]). A search looks up
//! candidates, newest first ([`find()`]); the caller reads and compares them.

pub(in crate::store) mod backlog;
pub(in crate::store) mod blocks;
mod find;
mod packing;
mod pending;

pub(super) use find::{Candidates, find};
pub(super) use packing::Entry;
pub(in crate::store) use pending::add;
pub(super) use pending::{PendingColumns, add_again, of};
