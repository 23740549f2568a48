//! What is done in the background, under `sessionary_system`: each worker is one step that a test can call, and a
//! rhythm.

pub mod captures;
pub mod erasure;
pub mod retention;
pub mod webhooks;

use tokio_util::sync::CancellationToken;

use crate::domain::Clock;
use crate::store::admin::AdminStore;
use webhooks::Webhooks;

/// Runs every worker side by side until the service stops, and lets what is under way come to an end. One that panics
/// ends none of the others.
pub async fn run(admin: AdminStore, clock: Clock, webhooks: Webhooks, stop: CancellationToken) {
    let stopping = stop.clone();
    let (its_admin, its_clock) = (admin.clone(), clock.clone());
    let housekeeping = async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = retention::run(&its_admin, &its_clock) => {}
            () = erasure::run(&its_admin, &its_clock) => {}
        }
    };
    let stopping = stop.clone();
    let folding = async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = captures::run(&admin, &clock) => {}
        }
    };
    let delivering = async move { webhooks.run(&stop).await };
    tokio::join!(alone("retention", housekeeping), alone("captures", folding), alone("webhooks", delivering));
}

async fn alone(name: &'static str, worker: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = tokio::spawn(worker).await {
        tracing::error!(%error, name, "workers.lost");
    }
}
