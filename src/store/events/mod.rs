//! The events of a session: appended under its lock, read by keyset.

mod append;
mod read;
mod revise;

pub(super) use append::{append, known, numberings};
pub(super) use read::EventRow;
pub use read::{EventWindow, Events, Excerpt};
