//! Sessionary: the session APIs of five agent platforms over one Postgres.
//!
//! This file is the map of the house.
//!
//! - [`config`]: every setting, its default and its environment variable.
//! - [`domain`]: the rules of a session. No I/O.
//! - [`auth`]: from credentials to a principal; the extractors that handlers name in their signatures.
//! - [`idempotency`]: the same create twice is one session and the same answer.
//! - [`dialects`]: one module per vendor: routes, wire types, error envelope, one file per operation.
//! - [`conversation`]: a turn: what was said is answered, and the answer kept.
//! - [`store`]: Postgres and nothing else: tenant scope, group commit, the rows.
//! - [`outbound`]: the way out to endpoints that others name, and signed deliveries.
//! - [`responders`]: what answers a message: echo, a model, a webhook.
//! - [`http`]: what all dialects share: listener, doors, bodies, limits, health, the house's own pages.
//! - [`workers`]: what is done in the background, by the clock.
//! - [`embedded_postgres`]: the private Postgres that the service runs where it is given none.
//! - [`telemetry`]: logs and metrics.
//! - [`cli`]: the command line, `serve` included.
//!
//! Imports run one way: `dialects -> idempotency -> auth -> http -> store -> domain`, and
//! `dialects -> conversation -> responders, store -> domain`, and `responders -> outbound -> domain`; no dialect imports
//! another, and `workers` stand above them all.
//!
//! A request comes in through [`http::listener`], is handed by its path to the door of its dialect
//! ([`build_app`]), and meets its handler in `dialects/<name>/<operation>.rs`.

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
