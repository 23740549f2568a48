//! Code that several dialects share. Wire formats that differ by vendor are not here.

pub(super) mod boolean;
pub(super) mod csv;
pub(super) mod cursor;
pub(super) mod document;
pub(super) mod reply_stream;
pub(super) mod time;
pub(super) mod turn;
