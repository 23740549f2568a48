//! Requests with an `Idempotency-Key`: claims and stored responses.
//!
//! A request is claimed before it is executed, and its claim has a random seed. A process that takes the request over
//! from one that died uses the same ids and nonces, so that a session that was already committed is recognised and not
//! created again.
//!
//! None of these transactions waits for the disk. Postgres writes its log in order: a session's COMMIT, which does
//! wait, makes the claim before it durable as well. A response that a crash loses is created again from the seed.

mod steps;

use uuid::Uuid;

use super::{Series, StoreError, TenantStore, scope};
use crate::domain::{ApiName, Clock, IdempotencyKey, Timestamp};
use steps::{Claim, Done, Released, Step, StepKind};

pub(super) use steps::{IdempotencySteps, options};

/// Limit of the bytes of a stored response's body.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// What a key names within an organization: a request of an API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPlace {
    pub dialect: ApiName,
    /// SHA-256 of method and path.
    pub target: [u8; 32],
    pub key: IdempotencyKey,
}

/// A request with a key, before it is claimed.
#[derive(Clone, Debug)]
pub struct KeyedRequest {
    pub place: KeyPlace,
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
    place: KeyPlace,
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
    /// Claims a request, unless there is a stored response within the key's lifetime or another attempt is running. A
    /// request whose attempt was given up or whose lease has run out is taken over with its seed.
    ///
    /// The key of a caller that hangs up meanwhile, or gets an error, is free again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::OrgBusy`] or [`StoreError::Busy`]
    /// when too many requests wait.
    pub async fn claim(&self, request: &KeyedRequest, clock: &Clock) -> Result<Claimed, StoreError> {
        let mut unclaimed = Unclaimed { store: self.0, request: Some(request) };
        let done = self.step(StepKind::Claim(request.clone(), clock.clone())).await?;
        unclaimed.request = None;
        match done {
            Done::Claimed(Claim::Ours(reservation)) => Ok(Claimed::Ours(reservation)),
            Done::Claimed(Claim::OtherBody) => Ok(Claimed::OtherBody),
            Done::Claimed(Claim::Answered) => {
                // It was deleted between the two statements, or is being carried out again.
                Ok(self.response(request).await?.map_or(Claimed::Running, Claimed::Answered))
            }
            Done::Claimed(Claim::Running) | Done::Changed(_) => Ok(Claimed::Running),
        }
    }

    /// Returns the stored response of a request with the same body.
    async fn response(&self, request: &KeyedRequest) -> Result<Option<StoredResponse>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let row = sqlx::query!(
            r#"SELECT status AS "status!", content_type, answer AS "body!" FROM idempotency_keys
                WHERE org_id = $1 AND dialect = $2 AND target = $3 AND key = $4
                  AND body_hash = $5 AND status IS NOT NULL AND answer IS NOT NULL"#,
            self.0.org.0,
            request.place.dialect.code(),
            request.place.target.as_slice(),
            request.place.key.as_str(),
            request.body_hash.as_slice()
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row.map(|row| StoredResponse {
            status: row.status.unsigned_abs(),
            content_type: row.content_type,
            body: row.body,
        }))
    }

    /// Stores the response. Returns `false` if it was not stored because it is too long or another attempt has taken
    /// over.
    ///
    /// # Errors
    /// The same as those of [`claim`](Self::claim).
    pub async fn store(&self, reservation: &Reservation, response: StoredResponse) -> Result<bool, StoreError> {
        if response.body.len() > MAX_RESPONSE_BYTES {
            return Ok(false);
        }
        let done = self.step(StepKind::Store(reservation.clone(), response)).await?;
        Ok(matches!(done, Done::Changed(true)))
    }

    /// Frees the key of a first attempt that had no effect. It can be used again, also with another body.
    ///
    /// # Errors
    /// The same as those of [`claim`](Self::claim).
    pub async fn release(&self, reservation: &Reservation) -> Result<(), StoreError> {
        let Reservation { place, holder, seed, .. } = reservation.clone();
        self.step(StepKind::Release(Released { place, holder, seed })).await?;
        Ok(())
    }

    async fn step(&self, kind: StepKind) -> Result<Done, StoreError> {
        self.0.groups().idempotency.submit(Step { org: self.0.org, kind }).await
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
            reservation.place.dialect.code(),
            reservation.place.target.as_slice(),
            reservation.place.key.as_str(),
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
            reservation.place.dialect.code(),
            reservation.place.target.as_slice(),
            reservation.place.key.as_str(),
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

/// Frees the key of a request when the future that claims it is dropped or fails, because no one would carry the request
/// out. The claim may already be queued: the same task executes both, in this order.
struct Unclaimed<'s> {
    store: &'s TenantStore,
    request: Option<&'s KeyedRequest>,
}

impl Drop for Unclaimed<'_> {
    fn drop(&mut self) {
        let (Some(request), Ok(runtime)) = (self.request, tokio::runtime::Handle::try_current()) else { return };
        let released = Released { place: request.place.clone(), holder: request.holder, seed: request.seed };
        let store = self.store.clone();
        runtime.spawn(async move {
            // If it cannot be freed, the next attempt takes the request over once the lease has run out.
            let _ = store.idempotency().step(StepKind::Release(released)).await;
        });
    }
}
