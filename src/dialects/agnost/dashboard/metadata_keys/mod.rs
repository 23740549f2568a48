//! Which members of metadata a dashboard shows (docs/dialects/agnost.md).

pub mod get_conversation_keys;
pub mod get_event_keys;
pub mod keys;
pub mod set_conversation_keys;
pub mod set_event_keys;
