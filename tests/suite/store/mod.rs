//! What the store promises to everybody above it.

mod agents;
mod group_commit;
mod isolation;
mod migrations;
mod numbers;
