//! Sessionary: the session APIs of five agent platforms over one Postgres.
//!
//! - [`config`]: every setting, its default and its environment variable.
//! - [`domain`]: the rules of a session. No I/O.
//! - [`auth`]: from credentials to a principal; the extractors that handlers name in their signatures.
//! - [`idempotency`]: a repeated create returns the same session and the same response.
//! - [`dialects`]: one module per API, the vendors' and the service's own: routes, wire types, error envelope, one file
//!   per operation.
//! - [`conversation`]: a turn: a message gets a reply, and the reply is stored.
//! - [`store`]: access to Postgres: tenant scope, group commit, the rows.
//! - [`outbound`]: calls to endpoints that customers name, and signed deliveries.
//! - [`responders`]: what replies to a message: echo, a model, a webhook.
//! - [`http`]: what all dialects share: listener, request context, bodies, limits, system routes.
//! - [`workers`]: background work on a schedule.
//! - [`embedded_postgres`]: the private Postgres that the service runs if no database is configured.
//! - [`telemetry`]: logs and metrics.
//! - [`cli`]: the command line, `serve` included.
//!
//! Imports go one way: `dialects -> idempotency -> auth -> http -> store -> domain`, and
//! `dialects -> conversation -> responders, store -> domain`, and `responders -> outbound -> domain`; no dialect imports
//! another. The service's own API, `dialects::sessionary`, uses the dialects' rules, and `workers` may import all of them.
//!
//! A request arrives at [`http::listener`], is routed by its path to its API ([`build_app`]), and is handled in
//! `dialects/<name>/`.

mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod dialects;
pub mod domain;
pub mod embedded_postgres;
pub mod http;
pub mod idempotency;
pub mod outbound;
pub mod responders;
pub mod store;
pub mod telemetry;
pub mod workers;

pub use app::{AppState, Deployment, build_app};
