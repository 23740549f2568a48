//! Sessions: one file per operation.

pub(super) mod close;
pub(super) mod create;
pub(super) mod download;
pub(super) mod get;
pub(super) mod list;
pub(super) mod session;
pub(super) mod stream_events;
