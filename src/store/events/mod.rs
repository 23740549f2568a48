//! The events of a session: appended under its lock, read by keyset.

mod append;
mod read;
mod revise;
mod row;

pub(super) use append::{Columns, append, insert, known, numberings};
pub(super) use read::numbered;
pub use read::{EventWindow, Events, Excerpt};
pub(super) use row::EventRow;
