//! Messages of a session: one file per operation.

pub(super) mod list;
pub(super) mod message;
pub(super) mod reply_stream;
pub(super) mod send;
