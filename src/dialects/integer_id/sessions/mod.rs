//! Sessions: one file per operation.

pub(super) mod create;
pub(super) mod end;
pub(super) mod get;
pub(super) mod list;
pub(super) mod list_of_agent;
pub(super) mod session;
