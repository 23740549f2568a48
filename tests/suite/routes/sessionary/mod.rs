//! The service's own API.

mod across;
mod changes;
mod events;
mod mcp;
mod search;
mod sessions;
mod streams;
mod tail;
