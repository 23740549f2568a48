//! What users rely on, through the real router and a real Postgres.
//!
//! `routes/` mirrors the URLs: the tests of a route stand at its path. One throw-away Postgres serves the whole run;
//! every test makes an organization of its own in it, so that each of them also tests that tenants stay apart.

mod support;

mod authorization;
mod http;
mod openapi;
mod process;
mod responders;
mod routes;
mod store;
mod turns;
mod workers;
