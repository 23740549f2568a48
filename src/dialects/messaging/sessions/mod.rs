//! Sessions: one file per operation.

pub(super) mod census;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod health;
pub(super) mod heartbeat;
pub(super) mod info;
pub(super) mod list;
pub(super) mod renew;
pub(super) mod session;
pub(super) mod set_timeout;
pub(super) mod timeouts;
