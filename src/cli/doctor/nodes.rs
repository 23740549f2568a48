//! Checks of the nodes of a distributed database.

use super::{Check, Status};
use crate::cli::Failure;
use crate::store::{Database, NodeState, NodesState};

/// How many times as large as the average a shard may be before the check warns, and from which size on.
const MAX_SKEW: i64 = 4;
const SKEW_FROM: i64 = 1 << 30;

pub(super) async fn check(database: &Database, checks: &mut Vec<Check>) {
    match database.nodes().await {
        Ok(None) => {}
        Ok(Some(state)) => {
            checks.extend(state.nodes.iter().map(node));
            checks.push(shards(&state));
        }
        Err(error) => checks.push(Check::of("nodes", Err(Failure::from(error)))),
    }
}

fn node(state: &NodeState) -> Check {
    let place = format!("node {}:{} with {} shards", state.node.host, state.node.port, state.shards);
    let fail = |text: String| Check::new("node", Status::Fail, text);
    let facts = match &state.facts {
        Ok(facts) => facts,
        Err(error) => return fail(format!("{place}: {error}")),
    };
    if !facts.has_roles || !facts.has_functions {
        return fail(format!("{place} lacks roles or functions; run `sessionary migrate --distributed`"));
    }
    if facts.open_tables > 0 {
        return fail(format!(
            "{place}: row-level security is not forced, or has no policy, in {} tables; if no rebalancing is under way, \
             run `sessionary rebalance`",
            facts.open_tables
        ));
    }
    Check::new("node", Status::Ok, format!("{place} has {} MB", facts.bytes >> 20))
}

/// Checks whether a shard is much larger than the others, shards are being moved, or transactions were left prepared.
fn shards(state: &NodesState) -> Check {
    if state.prepared > 0 {
        let text = format!("{} prepared transactions of Citus were not ended yet", state.prepared);
        return Check::new("shards", Status::Warn, text);
    }
    if state.moving > 0 {
        return Check::new("shards", Status::Warn, format!("{} shards are being moved", state.moving));
    }
    let facts = || state.nodes.iter().filter_map(|node| node.facts.as_ref().ok());
    let count: usize = state.nodes.iter().map(|node| node.shards).sum();
    let largest = facts().map(|facts| facts.largest_shard_bytes).max().unwrap_or_default();
    let average = facts().map(|facts| facts.bytes).sum::<i64>() / i64::try_from(count).unwrap_or(i64::MAX).max(1);
    let text = format!("{count} shards, the largest with {} MB, {} MB on average", largest >> 20, average >> 20);
    let is_skewed = largest >= SKEW_FROM && largest > average.saturating_mul(MAX_SKEW);
    if is_skewed {
        let advice = "an organization that outgrows its shard can have one of its own (docs/scale-out.md)";
        return Check::new("shards", Status::Warn, format!("{text}; {advice}"));
    }
    Check::new("shards", Status::Ok, text)
}
