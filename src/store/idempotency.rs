//! Requests that came with an `Idempotency-Key`: who is at work on one, and what it was answered.
//!
//! A request is claimed before it is carried out, and its claim holds a seed: whoever takes it over from a process that
//! died draws the same ids and nonces, so that a session that was already committed is recognised and not made again.
//!
//! None of these transactions waits for the disk. Postgres writes its log in order: a session's COMMIT, which does wait,
//! makes the claim before it durable as well, and an answer that a crash loses is made again from the seed.

use uuid::Uuid;

use super::{Series, StoreError, TenantStore, scope};
use crate::domain::idempotency::{KEY_LIFETIME, LEASE};
use crate::domain::{DialectName, IdempotencyKey, Timestamp};

/// Bytes of an answer that can be kept.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// A request with a key, about to be claimed.
#[derive(Clone, Debug)]
pub struct KeyedRequest {
    pub dialect: DialectName,
    /// SHA-256 of method and path.
    pub target: [u8; 32],
    pub key: IdempotencyKey,
    /// SHA-256 of the body as it was sent.
    pub body_hash: [u8; 32],
    pub arrived_at: Timestamp,
    /// Random bytes: the seed of the request, unless an earlier attempt at it has one.
    pub seed: [u8; 32],
    /// Tells this attempt from others.
    pub holder: Uuid,
}

/// The right to carry a request out, until its lease runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    dialect: DialectName,
    target: [u8; 32],
    key: IdempotencyKey,
    holder: Uuid,
    /// Chance for everything that the request draws.
    pub seed: [u8; 32],
    /// When the first attempt at the request arrived.
    pub arrived_at: Timestamp,
    /// Nobody tried before, so nothing can have been made yet.
    pub is_first: bool,
}

/// An answer, to be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// 200 to 299.
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// What became of a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// To be carried out by whoever claimed it.
    Ours(Reservation),
    /// Carried out before.
    Answered(StoredResponse),
    /// Somebody else is at work on it.
    Running,
    /// The key belongs to a request with another body.
    OtherBody,
}

pub struct Idempotency<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn idempotency(&self) -> Idempotency<'_> {
        Idempotency(self)
    }
}

impl Idempotency<'_> {
    /// Claims a request at `now`, unless it was answered within the key's lifetime or somebody is at work on it. One
    /// that was given up, or whose lease has run out, is taken over together with its seed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn claim(&self, request: &KeyedRequest, now: Timestamp) -> Result<Claimed, StoreError> {
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let claimed = sqlx::query!(
            "INSERT INTO idempotency_keys AS k
                    (org_id, dialect, target, key, body_hash, seed, arrived_at, holder, leased_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (org_id, dialect, target, key) DO UPDATE
                SET body_hash = EXCLUDED.body_hash, holder = EXCLUDED.holder, leased_until = EXCLUDED.leased_until,
                    seed = CASE WHEN k.arrived_at <= $10 THEN EXCLUDED.seed ELSE k.seed END,
                    numbers = CASE WHEN k.arrived_at <= $10 THEN EXCLUDED.numbers ELSE k.numbers END,
                    arrived_at = CASE WHEN k.arrived_at <= $10 THEN EXCLUDED.arrived_at ELSE k.arrived_at END,
                    status = NULL, content_type = NULL, answer = NULL
              WHERE k.arrived_at <= $10
                 OR (k.status IS NULL AND k.leased_until <= $11 AND k.body_hash = EXCLUDED.body_hash)
             RETURNING seed, arrived_at",
            self.0.org.0,
            request.dialect.code(),
            request.target.as_slice(),
            request.key.as_str(),
            request.body_hash.as_slice(),
            request.seed.as_slice(),
            request.arrived_at,
            request.holder,
            now + LEASE,
            now - KEY_LIFETIME,
            now
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let claimed = match claimed {
            Some(row) => Claimed::Ours(Reservation {
                dialect: request.dialect,
                target: request.target,
                key: request.key.clone(),
                holder: request.holder,
                is_first: row.seed == request.seed,
                seed: row.seed.try_into().map_err(|_| StoreError::Unreadable("seed".to_owned()))?,
                arrived_at: row.arrived_at,
            }),
            None => {
                let standing = sqlx::query!(
                    r#"SELECT body_hash = $5 AS "same_body!", status, content_type, answer
                         FROM idempotency_keys WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4"#,
                    self.0.org.0,
                    request.dialect.code(),
                    request.target.as_slice(),
                    request.key.as_str(),
                    request.body_hash.as_slice()
                )
                .fetch_optional(&mut *transaction)
                .await?;
                match standing {
                    Some(row) if !row.same_body => Claimed::OtherBody,
                    Some(row) => match (row.status, row.answer) {
                        (Some(status), Some(body)) => Claimed::Answered(StoredResponse {
                            status: status.unsigned_abs(),
                            content_type: row.content_type,
                            body,
                        }),
                        _ => Claimed::Running,
                    },
                    // It was given back between the two statements: the next claim finds it free.
                    None => Claimed::Running,
                }
            }
        };
        transaction.commit().await?;
        Ok(claimed)
    }

    /// Keeps the answer. False when it was not kept: it is too long, or another attempt has taken over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn keep(&self, held: &Reservation, answer: &StoredResponse) -> Result<bool, StoreError> {
        if answer.body.len() > ANSWER_LIMIT {
            return Ok(false);
        }
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let kept = sqlx::query!(
            "UPDATE idempotency_keys SET status = $6, content_type = $7, answer = $8
              WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5",
            self.0.org.0,
            held.dialect.code(),
            held.target.as_slice(),
            held.key.as_str(),
            held.holder,
            answer.status.cast_signed(),
            answer.content_type.as_deref(),
            answer.body
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Gives a request back that came to nothing: its key is free, also for another body.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn release(&self, held: &Reservation) -> Result<(), StoreError> {
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        sqlx::query!(
            "DELETE FROM idempotency_keys
              WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5",
            self.0.org.0,
            held.dialect.code(),
            held.target.as_slice(),
            held.key.as_str(),
            held.holder
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Moves the end of the lease. To `now`, it gives up a request that may have come to something: the next attempt
    /// takes it over at once. False when another attempt has done so already.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn lease_until(&self, held: &Reservation, end: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let moved = sqlx::query!(
            "UPDATE idempotency_keys SET leased_until = $6
              WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5",
            self.0.org.0,
            held.dialect.code(),
            held.target.as_slice(),
            held.key.as_str(),
            held.holder,
            end
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(moved.rows_affected() == 1)
    }

    /// The number of a series that belongs to the request: the same at every attempt, one per series.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, or another attempt has taken over.
    pub async fn number(&self, held: &Reservation, series: Series) -> Result<i64, StoreError> {
        let next = self.0.numbers().next(series).await?;
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let number = sqlx::query_scalar!(
            r#"UPDATE idempotency_keys SET numbers[$6] = COALESCE(numbers[$6], $7)
                WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5
            RETURNING numbers[$6] AS "number!""#,
            self.0.org.0,
            held.dialect.code(),
            held.target.as_slice(),
            held.key.as_str(),
            held.holder,
            i32::from(series.code()),
            next
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        number.ok_or(StoreError::Unavailable)
    }
}
