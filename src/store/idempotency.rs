//! Requests with an `Idempotency-Key`: claims and stored responses.
//!
//! A request is claimed before it is executed, and its claim has a random seed. A process that takes the request over
//! from one that died uses the same ids and nonces, so that a session that was already committed is recognised and not
//! created again.
//!
//! None of these transactions waits for the disk. Postgres writes its log in order: a session's COMMIT, which does
//! wait, makes the claim before it durable as well. A response that a crash loses is created again from the seed.

use uuid::Uuid;

use super::{Series, StoreError, TenantStore, scope};
use crate::domain::idempotency::{KEY_LIFETIME, LEASE};
use crate::domain::{ApiName, IdempotencyKey, Timestamp};

/// Limit of the bytes of a stored response's body.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// A request with a key, before it is claimed.
#[derive(Clone, Debug)]
pub struct KeyedRequest {
    pub dialect: ApiName,
    /// SHA-256 of method and path.
    pub target: [u8; 32],
    pub key: IdempotencyKey,
    /// SHA-256 of the body as it was sent.
    pub body_hash: [u8; 32],
    pub arrived_at: Timestamp,
    /// Random bytes: the seed of the request, unless an earlier attempt has set one.
    pub seed: [u8; 32],
    /// Identifies this attempt.
    pub holder: Uuid,
}

/// The right to execute a request until its lease runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    dialect: ApiName,
    target: [u8; 32],
    key: IdempotencyKey,
    holder: Uuid,
    /// The seed for all random values of the request.
    pub seed: [u8; 32],
    /// When the first attempt at the request arrived.
    pub arrived_at: Timestamp,
    /// Whether there was no earlier attempt, so that nothing can have been created yet.
    pub is_first: bool,
}

/// A stored response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// 200 to 299.
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// The result of a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The caller executes the request.
    Ours(Reservation),
    /// The request was executed before.
    Answered(StoredResponse),
    /// Another caller is executing the request.
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
    /// Claims a request at `now`, unless there is a stored response within the key's lifetime or another attempt is
    /// running. A request whose attempt was given up or whose lease has run out is taken over with its seed.
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
                let existing = sqlx::query!(
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
                match existing {
                    Some(row) if !row.same_body => Claimed::OtherBody,
                    Some(row) => match (row.status, row.answer) {
                        (Some(status), Some(body)) => Claimed::Answered(StoredResponse {
                            status: status.unsigned_abs(),
                            content_type: row.content_type,
                            body,
                        }),
                        _ => Claimed::Running,
                    },
                    // It was released between the two statements; the next claim succeeds.
                    None => Claimed::Running,
                }
            }
        };
        transaction.commit().await?;
        Ok(claimed)
    }

    /// Stores the response. Returns `false` if it was not stored because it is too long or another attempt has taken
    /// over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn keep(&self, reservation: &Reservation, answer: &StoredResponse) -> Result<bool, StoreError> {
        if answer.body.len() > MAX_RESPONSE_BYTES {
            return Ok(false);
        }
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let updated = sqlx::query!(
            "UPDATE idempotency_keys SET status = $6, content_type = $7, answer = $8
              WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5",
            self.0.org.0,
            reservation.dialect.code(),
            reservation.target.as_slice(),
            reservation.key.as_str(),
            reservation.holder,
            answer.status.cast_signed(),
            answer.content_type.as_deref(),
            answer.body
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Releases a request that had no effect. Its key can be used again, also with another body.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn release(&self, reservation: &Reservation) -> Result<(), StoreError> {
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        sqlx::query!(
            "DELETE FROM idempotency_keys
              WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5",
            self.0.org.0,
            reservation.dialect.code(),
            reservation.target.as_slice(),
            reservation.key.as_str(),
            reservation.holder
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Changes the end of the lease. The time `now` gives up a request that may have had an effect, so that the next
    /// attempt takes it over at once. Returns `false` when another attempt has already done so.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn lease_until(&self, reservation: &Reservation, end: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let moved = sqlx::query!(
            "UPDATE idempotency_keys SET leased_until = $6
              WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5",
            self.0.org.0,
            reservation.dialect.code(),
            reservation.target.as_slice(),
            reservation.key.as_str(),
            reservation.holder,
            end
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(moved.rows_affected() == 1)
    }

    /// Returns the number of a series that belongs to the request: the same at every attempt, one per series.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, or another attempt has taken over.
    pub async fn number(&self, reservation: &Reservation, series: Series) -> Result<i64, StoreError> {
        let next = self.0.numbers().next(series).await?;
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let number = sqlx::query_scalar!(
            r#"UPDATE idempotency_keys SET numbers[$6] = COALESCE(numbers[$6], $7)
                WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4 AND holder = $5
            RETURNING numbers[$6] AS "number!""#,
            self.0.org.0,
            reservation.dialect.code(),
            reservation.target.as_slice(),
            reservation.key.as_str(),
            reservation.holder,
            i32::from(series.code()),
            next
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        number.ok_or(StoreError::Unavailable)
    }
}
