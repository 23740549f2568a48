//! Shared support for tests.

pub mod agent_key;
pub mod agnost;
pub mod agntix;
mod app;
pub mod bad_input;
pub mod chaos;
pub mod dump;
pub mod fake_responder;
mod fill;
pub mod integer_id;
mod large;
mod login;
pub mod messaging;
mod metadata;
mod postgres;
pub mod process;
pub mod raw;
mod replicas;
mod reply;
pub mod talk;
pub mod tokens;
pub mod webhooks;
pub mod wire;

pub use app::{Ask, Setup, TestApp, start};
pub use large::LARGE;
pub use metadata::metadata_of;
pub use postgres::{
    DATABASE, admin, change_agent, connection, connection_of, database, database_called, database_through,
    database_url, make_database, run, search, socket, store,
};
pub use reply::Reply;

/// The example agent of the vendors' pages, which every [`TestApp`]'s organization has.
pub const AGENT_ID: &str = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
pub const AGENT_KEY: &str = "customer_support";
pub const AGENT_NUMBER: i64 = 123;
/// The agent of the messaging page; it has no avatar. Its key is `messaging_agent`.
pub const MESSAGING_AGENT_ID: &str = "3c90c3cc-0d44-4b50-8888-8dd25736052a";
