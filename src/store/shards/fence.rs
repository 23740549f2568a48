//! The check that a shard is still on the node of a connection.

use super::placement::ShardId;

/// How a transaction makes sure that its shard is on the node of its connection. Nothing is to be checked in a database
/// that is not distributed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Fence {
    /// The transaction only reads, perhaps for long.
    Reading,
    /// The shard is not moved until the transaction ends.
    Writing,
}

impl Fence {
    /// Returns the statement that checks it, with its semicolon; an empty text without a shard.
    pub fn statement(self, shard: Option<ShardId>) -> String {
        match (self, shard) {
            (_, None) => String::new(),
            (Self::Reading, Some(shard)) => format!("SELECT public.find_shard({shard}); "),
            (Self::Writing, Some(shard)) => format!("SELECT public.enter_shard({shard}); "),
        }
    }
}
