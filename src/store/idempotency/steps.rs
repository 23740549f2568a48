//! Claims requests with a key, stores their responses and frees their keys, in groups.
//!
//! The connections do not wait for the disk at COMMIT, as [`super`] explains.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use super::{KeyPlace, KeyedRequest, Reservation, StoredResponse};
use crate::domain::idempotency::{KEY_LIFETIME, LEASE};
use crate::domain::{Clock, OrgId, Timestamp};
use crate::store::Database;
use crate::store::group::Batch;
use crate::store::scope::WriterConnection;

/// Returns the options of the connections, whose COMMIT does not wait for the disk. A lock lasts for a moment unless its
/// holder is lost; the requests of other keys must not wait for that.
pub fn options(database: &Database) -> PgConnectOptions {
    database.app_group_options().options([("synchronous_commit", "off"), ("lock_timeout", "250ms")])
}

/// One step of a request with a key.
pub struct Step {
    pub org: OrgId,
    pub kind: StepKind,
}

pub enum StepKind {
    /// Claims the request, at the time of the clock when the step is executed.
    Claim(KeyedRequest, Clock),
    /// Stores its response.
    Store(Reservation, StoredResponse),
    /// Frees its key, if no earlier attempt may have had an effect. Ends the lease otherwise.
    Release(Released),
}

/// An attempt that ended without an effect.
pub struct Released {
    pub place: KeyPlace,
    pub holder: Uuid,
    /// The seed of the attempt itself. If the row has another one, there was an attempt before it.
    pub seed: [u8; 32],
}

/// The result of a step.
pub enum Done {
    Claimed(Claim),
    /// Whether the step had an effect: not if another attempt has taken the request over.
    Changed(bool),
}

/// The result of a claim. A stored response is read by the caller, within the limits of its organization, because a
/// batch of them could have gigabytes.
pub enum Claim {
    Ours(Reservation),
    /// A response is stored.
    Answered,
    Running,
    OtherBody,
}

/// The primary key of a key's row.
type RowKey = (OrgId, KeyPlace);

impl Step {
    fn place(&self) -> &KeyPlace {
        match &self.kind {
            StepKind::Claim(request, _) => &request.place,
            StepKind::Store(reservation, _) => &reservation.place,
            StepKind::Release(released) => &released.place,
        }
    }

    fn key(&self) -> RowKey {
        (self.org, self.place().clone())
    }

    fn holder(&self) -> Uuid {
        match &self.kind {
            StepKind::Claim(request, _) => request.holder,
            StepKind::Store(reservation, _) => reservation.holder,
            StepKind::Release(released) => released.holder,
        }
    }
}

pub enum IdempotencySteps {}

impl Batch for IdempotencySteps {
    const NAME: &'static str = "idempotency";
    type Request = Step;
    type Answer = Done;
    type Memory = ();

    fn org(step: &Step) -> OrgId {
        step.org
    }

    fn bytes(step: &Step) -> usize {
        let response = match &step.kind {
            StepKind::Store(_, response) => response.body.len(),
            _ => 0,
        };
        size_of::<Step>() + step.place().key.as_str().len() + response
    }

    fn stored(_: &Step, _: &Done) -> usize {
        0
    }

    fn route(step: &Step) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one((step.org, step.place()))
    }

    /// Each statement may be a transaction of its own. After a lost connection, a claim recognises itself by its holder.
    async fn run(writer: &mut WriterConnection, steps: &[&Step]) -> Result<Vec<Done>, sqlx::Error> {
        let mut orgs: Vec<OrgId> = steps.iter().map(|step| step.org).collect();
        orgs.sort_unstable();
        orgs.dedup();
        let mut connection = writer.narrowed(&orgs).await?;

        // Two connections that lock in different orders would deadlock, and a statement cannot change a row twice. The
        // sort is stable, so of several claims of one key the first to arrive is made.
        let mut sorted = steps.to_vec();
        sorted.sort_by_cached_key(|step| step.key());
        let mut claims = Vec::new();
        let mut responses = Vec::new();
        let mut released = Vec::new();
        for step in &sorted {
            match &step.kind {
                StepKind::Claim(request, clock) => claims.push((step.org, request, clock.now())),
                StepKind::Store(reservation, response) => responses.push((step.org, reservation, response)),
                StepKind::Release(attempt) => released.push((step.org, attempt)),
            }
        }
        // Responses first, because a claim of the same batch may wait for one.
        let mut changed = HashSet::new();
        if !responses.is_empty() {
            changed.extend(store(&mut connection, &responses).await?);
        }
        let mut claimed = HashMap::new();
        if !claims.is_empty() {
            claimed = claim(&mut connection, &claims).await?;
        }
        if !released.is_empty() {
            changed.extend(release(&mut connection, &released).await?);
        }
        connection.done().await?;
        Ok(steps
            .iter()
            .map(|step| match &step.kind {
                // A row that was released between the two statements is in neither; the next claim succeeds.
                StepKind::Claim(request, _) => Done::Claimed(claimed.remove(&request.holder).unwrap_or(Claim::Running)),
                _ => Done::Changed(changed.contains(&step.holder())),
            })
            .collect())
    }
}

/// The columns of a statement's list of keys.
struct Columns<'s> {
    orgs: Vec<Uuid>,
    dialects: Vec<i16>,
    targets: Vec<&'s [u8]>,
    keys: Vec<&'s str>,
}

impl<'s> Columns<'s> {
    fn of(keys: impl Iterator<Item = (OrgId, &'s KeyPlace)> + Clone) -> Self {
        Self {
            orgs: keys.clone().map(|(org, _)| org.0).collect(),
            dialects: keys.clone().map(|(_, place)| place.dialect.code()).collect(),
            targets: keys.clone().map(|(_, place)| place.target.as_slice()).collect(),
            keys: keys.map(|(_, place)| place.key.as_str()).collect(),
        }
    }
}

/// Claims requests, sorted by their keys, each at its time. Returns the results by holder.
async fn claim(
    connection: &mut PgConnection,
    claims: &[(OrgId, &KeyedRequest, Timestamp)],
) -> Result<HashMap<Uuid, Claim>, sqlx::Error> {
    let mut first = claims.to_vec();
    first.dedup_by(|(org, request, _), (other_org, other, _)| (org, &request.place) == (other_org, &other.place));
    let columns = Columns::of(first.iter().map(|(org, request, _)| (*org, &request.place)));
    let of = |column: fn(&KeyedRequest) -> &[u8]| first.iter().map(|(_, request, _)| column(request)).collect();
    let body_hashes: Vec<&[u8]> = of(|request| &request.body_hash);
    let seeds: Vec<&[u8]> = of(|request| &request.seed);
    let arrivals: Vec<Timestamp> = first.iter().map(|(_, request, _)| request.arrived_at).collect();
    let holders: Vec<Uuid> = first.iter().map(|(_, request, _)| request.holder).collect();
    let leases: Vec<Timestamp> = first.iter().map(|(_, _, now)| *now + LEASE).collect();
    let rows = sqlx::query!(
        r#"INSERT INTO idempotency_keys AS k
                  (org_id, dialect, target, key, body_hash, seed, arrived_at, holder, leased_until)
           SELECT new.*
             FROM (SELECT unnest($1::uuid[]), unnest($2::smallint[]), unnest($3::bytea[]), unnest($4::text[]),
                          unnest($5::bytea[]), unnest($6::bytea[]), unnest($7::timestamptz[]), unnest($8::uuid[]),
                          unnest($9::timestamptz[]))
               AS new
               ON CONFLICT (org_id, dialect, target, key) DO UPDATE
              SET body_hash = EXCLUDED.body_hash, holder = EXCLUDED.holder, leased_until = EXCLUDED.leased_until,
                  seed = CASE WHEN EXCLUDED.leased_until >= k.arrived_at + make_interval(secs => $10)
                              THEN EXCLUDED.seed ELSE k.seed END,
                  numbers = CASE WHEN EXCLUDED.leased_until >= k.arrived_at + make_interval(secs => $10)
                                 THEN EXCLUDED.numbers ELSE k.numbers END,
                  arrived_at = CASE WHEN EXCLUDED.leased_until >= k.arrived_at + make_interval(secs => $10)
                                    THEN EXCLUDED.arrived_at ELSE k.arrived_at END,
                  status = NULL, content_type = NULL, answer = NULL
            WHERE EXCLUDED.leased_until >= k.arrived_at + make_interval(secs => $10)
               OR (k.status IS NULL AND k.body_hash = EXCLUDED.body_hash
                   AND (EXCLUDED.leased_until >= k.leased_until + make_interval(secs => $11)
                        OR k.holder = EXCLUDED.holder))
           RETURNING holder, seed, arrived_at"#,
        &columns.orgs,
        &columns.dialects,
        &columns.targets as &[&[u8]],
        &columns.keys as &[&str],
        &body_hashes as &[&[u8]],
        &seeds as &[&[u8]],
        &arrivals,
        &holders,
        &leases,
        (KEY_LIFETIME + LEASE).as_seconds_f64(),
        LEASE.as_seconds_f64()
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut rows: HashMap<Uuid, _> = rows.into_iter().map(|row| (row.holder, row)).collect();
    let mut claimed = HashMap::with_capacity(claims.len());
    let mut others = Vec::new();
    for (org, request, _) in claims {
        let Some(row) = rows.remove(&request.holder) else {
            others.push((*org, *request));
            continue;
        };
        let seed = row.seed.try_into().map_err(|_| sqlx::Error::Decode("a seed has 32 bytes".into()))?;
        claimed.insert(
            request.holder,
            Claim::Ours(Reservation {
                place: request.place.clone(),
                holder: request.holder,
                is_first: seed == request.seed,
                seed,
                arrived_at: row.arrived_at,
            }),
        );
    }
    if !others.is_empty() {
        claimed.extend(read(connection, &others).await?);
    }
    Ok(claimed)
}

/// Returns how far requests are that could not be claimed, by holder.
async fn read(
    connection: &mut PgConnection,
    requests: &[(OrgId, &KeyedRequest)],
) -> Result<HashMap<Uuid, Claim>, sqlx::Error> {
    let columns = Columns::of(requests.iter().map(|(org, request)| (*org, &request.place)));
    let holders: Vec<Uuid> = requests.iter().map(|(_, request)| request.holder).collect();
    let body_hashes: Vec<&[u8]> = requests.iter().map(|(_, request)| request.body_hash.as_slice()).collect();
    let rows = sqlx::query!(
        r#"SELECT asked.holder AS "holder!", k.body_hash = asked.body_hash AS "is_same_body!",
                  k.answer IS NOT NULL AS "is_answered!"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::bytea[], $4::text[], $5::uuid[], $6::bytea[])
               AS asked (org_id, dialect, target, key, holder, body_hash)
             JOIN idempotency_keys k USING (org_id, dialect, target, key)"#,
        &columns.orgs,
        &columns.dialects,
        &columns.targets as &[&[u8]],
        &columns.keys as &[&str],
        &holders,
        &body_hashes as &[&[u8]]
    )
    .fetch_all(connection)
    .await?;
    let read = rows.into_iter().map(|row| {
        let claim = match (row.is_same_body, row.is_answered) {
            (false, _) => Claim::OtherBody,
            (true, true) => Claim::Answered,
            (true, false) => Claim::Running,
        };
        (row.holder, claim)
    });
    Ok(read.collect())
}

/// Stores the responses of requests that no other attempt has taken over. Returns the holders of those.
async fn store(
    connection: &mut PgConnection,
    responses: &[(OrgId, &Reservation, &StoredResponse)],
) -> Result<Vec<Uuid>, sqlx::Error> {
    let columns = Columns::of(responses.iter().map(|(org, reservation, _)| (*org, &reservation.place)));
    let holders: Vec<Uuid> = responses.iter().map(|(_, reservation, _)| reservation.holder).collect();
    let statuses: Vec<i16> = responses.iter().map(|(_, _, response)| response.status.cast_signed()).collect();
    let types: Vec<Option<&str>> = responses.iter().map(|(_, _, response)| response.content_type.as_deref()).collect();
    let bodies: Vec<&[u8]> = responses.iter().map(|(_, _, response)| response.body.as_slice()).collect();
    sqlx::query_scalar!(
        r#"UPDATE idempotency_keys k SET status = new.status, content_type = new.content_type, answer = new.answer
             FROM UNNEST($1::uuid[], $2::smallint[], $3::bytea[], $4::text[], $5::uuid[], $6::smallint[], $7::text[],
                         $8::bytea[]) AS new (org_id, dialect, target, key, holder, status, content_type, answer)
            WHERE k.org_id = new.org_id AND k.dialect = new.dialect AND k.target = new.target AND k.key = new.key
              AND k.holder = new.holder
        RETURNING k.holder AS "holder!""#,
        &columns.orgs,
        &columns.dialects,
        &columns.targets as &[&[u8]],
        &columns.keys as &[&str],
        &holders,
        &statuses,
        &types as &[Option<&str>],
        &bodies as &[&[u8]]
    )
    .fetch_all(connection)
    .await
}

/// Deletes the rows of first attempts that no other attempt has taken over, and ends the lease of later attempts. Returns
/// the holders of the former.
async fn release(connection: &mut PgConnection, released: &[(OrgId, &Released)]) -> Result<Vec<Uuid>, sqlx::Error> {
    let columns = Columns::of(released.iter().map(|(org, attempt)| (*org, &attempt.place)));
    let holders: Vec<Uuid> = released.iter().map(|(_, attempt)| attempt.holder).collect();
    let seeds: Vec<&[u8]> = released.iter().map(|(_, attempt)| attempt.seed.as_slice()).collect();
    sqlx::query_scalar!(
        r#"WITH old AS MATERIALIZED (
               SELECT * FROM UNNEST($1::uuid[], $2::smallint[], $3::bytea[], $4::text[], $5::uuid[], $6::bytea[])
                   AS old (org_id, dialect, target, key, holder, seed)
           ), ended AS (
               UPDATE idempotency_keys k SET leased_until = k.arrived_at FROM old
                WHERE k.org_id = old.org_id AND k.dialect = old.dialect AND k.target = old.target AND k.key = old.key
                  AND k.holder = old.holder AND k.seed <> old.seed
           )
           DELETE FROM idempotency_keys k USING old
            WHERE k.org_id = old.org_id AND k.dialect = old.dialect AND k.target = old.target AND k.key = old.key
              AND k.holder = old.holder AND k.seed = old.seed
        RETURNING k.holder AS "holder!""#,
        &columns.orgs,
        &columns.dialects,
        &columns.targets as &[&[u8]],
        &columns.keys as &[&str],
        &holders,
        &seeds as &[&[u8]]
    )
    .fetch_all(connection)
    .await
}
