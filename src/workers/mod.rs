//! Background workers, as `sessionary_system`. Each is a step that a test can call, and a schedule.

pub mod audit_stream;
pub mod captures;
pub mod erasure;
pub mod erasures;
pub mod retention;
pub mod users;
pub mod webhooks;

use std::time::Duration;

use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::domain::Clock;
use crate::outbound::{Client, PrivateAddresses};
use crate::store::admin::{AdminError, AdminStore};
use audit_stream::AuditStream;
use webhooks::Webhooks;

/// Runs all workers concurrently until the service stops, and then lets their current work end. A panic in one does not
/// end the others.
///
/// In a distributed database each shard has workers of its own, so that a node that is down does not delay the others.
/// They begin again when a shard was split.
pub async fn run(
    admin: AdminStore,
    clock: Clock,
    webhooks: Webhooks,
    audit_stream: Option<AuditStream>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let stop_these = stop.child_token();
        let seen = admin.shard_numbers();
        let shards = admin.each_shard();
        let count = shards.len();
        let mut working = JoinSet::new();
        for (index, shard) in shards.into_iter().enumerate() {
            // It goes over all shards itself.
            let audit_stream = audit_stream.clone().filter(|_| index == 0);
            let webhooks = if count == 1 { webhooks.clone() } else { webhooks.of_shard(shard.clone(), count) };
            working.spawn(run_in_shard(shard, clock.clone(), webhooks, audit_stream, stop_these.clone()));
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = admin.shards_differ_from(&seen) => stop_these.cancel(),
        }
        while working.join_next().await.is_some() {}
    }
}

async fn run_in_shard(
    admin: AdminStore,
    clock: Clock,
    webhooks: Webhooks,
    audit_stream: Option<AuditStream>,
    stop: CancellationToken,
) {
    let stopping = stop.clone();
    let (its_admin, its_clock) = (admin.clone(), clock.clone());
    let housekeeping = async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = retention::run(&its_admin, &its_clock) => {}
            () = erasure::run(&its_admin, &its_clock) => {}
            () = erasures::run(&its_admin, &its_clock) => {}
            () = users::run(&its_admin, &its_clock) => {}
        }
    };
    let stopping = stop.clone();
    let folding = async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = captures::run(&admin, &clock) => {}
        }
    };
    let stopping = stop.clone();
    let streaming = async move {
        let Some(stream) = audit_stream else { return };
        tokio::select! {
            () = stopping.cancelled() => {}
            () = stream.run() => {}
        }
    };
    let delivering = async move { webhooks.run(&stop).await };
    tokio::join!(
        alone("retention", housekeeping),
        alone("captures", folding),
        alone("audit", streaming),
        alone("webhooks", delivering)
    );
}

/// Does the same in every shard at once. Returns the sum of the results.
///
/// # Errors
/// The last error, after all shards are done, because one that cannot be reached must not stop the others.
pub(crate) async fn in_every_shard<F>(admin: &AdminStore, act: impl Fn(AdminStore) -> F) -> Result<u64, AdminError>
where
    F: Future<Output = Result<u64, AdminError>>,
{
    let mut total = Ok(0);
    for result in join_all(admin.each_shard().into_iter().map(act)).await {
        total = match (total, result) {
            (Ok(sum), Ok(more)) => Ok(sum + more),
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
        };
    }
    total
}

/// How long a connection to a publisher of keys may take.
const KEYS_CONNECT: Duration = Duration::from_secs(3);
/// How soon the keys are fetched again after a fault of the service's own.
const AFTER_FAULT: Duration = Duration::from_secs(30);

/// Fetches keys that others publish by `fetch`, until the service stops or `fetch` ends. The operator names the
/// publishers, so that they may be at private addresses.
pub async fn fetch_keys<F>(fetch: impl Fn(Client) -> F, stop: CancellationToken)
where
    F: Future<Output = ()> + Send + 'static,
{
    let client = match Client::new(PrivateAddresses::Allowed, KEYS_CONNECT) {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "auth.keys_not_fetched"),
    };
    loop {
        let mut fetching = tokio::spawn(fetch(client.clone()));
        let ended = tokio::select! {
            () = stop.cancelled() => return fetching.abort(),
            ended = &mut fetching => ended,
        };
        match ended {
            // There is nothing to fetch.
            Ok(()) => return,
            Err(error) => tracing::error!(%error, name = "keys", "workers.lost"),
        }
        tokio::time::sleep(AFTER_FAULT).await;
    }
}

async fn alone(name: &'static str, worker: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = tokio::spawn(worker).await {
        tracing::error!(%error, name, "workers.lost");
    }
}
