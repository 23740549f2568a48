//! Contacts: one file per operation.

pub(super) mod contact;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod update;
