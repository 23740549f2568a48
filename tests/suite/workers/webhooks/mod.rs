//! Webhooks: what endpoints are told, how often it is tried, and what becomes of it when something goes wrong.

mod asked;
mod attempts;
mod crowd;
mod replicas;
mod told;
