//! The caller's organization and its members (docs/dialects/agnost.md).

pub mod add_member;
pub mod display_id;
pub mod list;
pub mod list_members;
pub mod member;
pub mod organization;
pub mod profile;
pub mod update;
