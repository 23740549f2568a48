//! What is done in the background, under `sessionary_system`: each worker is one step that a test can call, and a
//! rhythm.

pub mod retention;
pub mod webhooks;

use tokio_util::sync::CancellationToken;

use crate::domain::Clock;
use crate::store::admin::AdminStore;
use webhooks::Webhooks;

/// Runs every worker side by side until the service stops, and lets what is under way come to an end.
pub async fn run(admin: AdminStore, clock: Clock, webhooks: Webhooks, stop: CancellationToken) {
    let housekeeping = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = retention::run(&admin, &clock) => {}
        }
    };
    tokio::join!(housekeeping, webhooks.run(&stop));
}
