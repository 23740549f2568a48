//! Public integers: unique per organization and series, and assigned in blocks so that creates do not wait for a row
//! lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{StoreError, TenantStore, scope};
use crate::domain::OrgId;

/// A kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Series {
    Agents,
    Sessions,
    Avatars,
}

impl Series {
    pub(super) fn code(self) -> i16 {
        match self {
            Self::Agents => 1,
            Self::Sessions => 2,
            Self::Avatars => 3,
        }
    }
}

const FIRST_BLOCK: i64 = 8;
const LARGEST_BLOCK: i64 = 4_096;

/// The unused numbers of an organization's block, and the size of its next one. Blocks double in size, so that the
/// numbers of a quiet organization stay close together and a busy one rarely needs a new block.
#[derive(Default)]
struct Block {
    next: i64,
    end: i64,
    size: i64,
}

/// The blocks of this replica. At shutdown, their unused numbers become a gap.
#[derive(Default)]
pub(super) struct Blocks(Mutex<HashMap<(OrgId, Series), SharedBlock>>);

impl TenantStore {
    pub(super) fn blocks(&self) -> &Blocks {
        &self.store.0.blocks
    }
}

type SharedBlock = Arc<tokio::sync::Mutex<Block>>;

pub struct Numbers<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers(self)
    }
}

impl Numbers<'_> {
    /// Returns the next number of a series. Numbers are unique across replicas, but not consecutive and not in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn next(&self, series: Series) -> Result<i64, StoreError> {
        let block = {
            let mut blocks = self.0.blocks().0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(blocks.entry((self.0.org, series)).or_default())
        };
        let mut block = block.lock().await;
        if block.next == block.end {
            let size = (block.size * 2).clamp(FIRST_BLOCK, LARGEST_BLOCK);
            let next = self.take(series, size).await?;
            *block = Block { next, end: next + size, size };
        }
        block.next += 1;
        Ok(block.next - 1)
    }

    /// Reserves `size` numbers for this replica. Returns the first of them.
    async fn take(&self, series: Series, size: i64) -> Result<i64, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let next = sqlx::query_scalar!(
            "INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, 1 + $3::bigint)
                 ON CONFLICT (org_id, series) DO UPDATE SET next_number = number_blocks.next_number + $3::bigint
             RETURNING next_number",
            self.0.org.0,
            series.code(),
            size
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(next - size)
    }
}
