//! What is done in the background, under `sessionary_system`: each worker is one step that a test can call, and a
//! rhythm.

pub mod retention;

use crate::domain::Clock;
use crate::store::admin::AdminStore;

/// Runs every worker. Never ends by itself.
pub async fn run(admin: &AdminStore, clock: &Clock) {
    retention::run(admin, clock).await;
}
