//! Messages of a session: one file per operation.

pub(super) mod append;
pub(super) mod channel;
pub(super) mod list;
pub(super) mod message;
pub(super) mod reply_stream;
pub(super) mod send;
pub(super) mod submit;
pub(super) mod transport;
