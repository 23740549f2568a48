//! Agents: one file per operation.

pub(super) mod agent;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;
pub(super) mod list_models;
pub(super) mod update;
