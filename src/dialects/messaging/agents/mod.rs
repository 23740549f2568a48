//! Agents: one file per operation.

pub(super) mod list;
