//! Tests of the behaviour that users rely on, through the real router and a real Postgres.
//!
//! `routes/` mirrors the URLs: the tests of a route are at its path. One throw-away Postgres serves the whole run.
//! Every test creates its own organization in it, so that each of them also tests the isolation of tenants.

mod support;

mod audit;
mod authorization;
mod http;
mod openapi;
mod process;
mod responders;
mod routes;
mod store;
mod turns;
mod workers;
