//! Sessions written in groups.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Created, RowKey, SessionRow};
use crate::domain::{JsonText, NewSession, OrgId, Session, Timestamp};
use crate::store::feed::{self, Happened};
use crate::store::group::Batch;
use crate::store::scope;
use crate::store::usage::{self, Use};

pub struct Request {
    pub org: OrgId,
    pub session: NewSession,
}

impl Request {
    fn key(&self) -> RowKey {
        RowKey::new(self.org, self.session.dialect, self.session.id)
    }
}

pub enum CreateSessions {}

impl Batch for CreateSessions {
    const NAME: &'static str = "create_session";
    type Request = Request;
    type Answer = Created;

    fn org(request: &Request) -> OrgId {
        request.org
    }

    fn route(request: &Request) -> u64 {
        request.key().route()
    }

    async fn run(connection: &mut PgConnection, requests: &[&Request]) -> Result<Vec<Created>, sqlx::Error> {
        // An id that came twice would fail the statement, and two writers that lock in different orders would
        // deadlock. The sort is stable, so of several creates of one session the first to come is the one written.
        let mut first: Vec<&Request> = requests.to_vec();
        first.sort_by_key(|request| request.key());
        first.dedup_by_key(|request| request.key());
        let mut orgs: Vec<OrgId> = first.iter().map(|request| request.org).collect();
        orgs.dedup();

        let mut transaction = scope::begin(connection, &orgs).await?;
        let inserted = insert(&mut transaction, &first).await?;
        tell(&mut transaction, &first, &inserted).await?;
        let others: Vec<RowKey> =
            first.iter().map(|request| request.key()).filter(|key| !inserted.contains_key(key)).collect();
        let standing =
            if others.is_empty() { HashMap::new() } else { SessionRow::read(&mut transaction, &others).await? };
        transaction.commit().await?;

        let written: HashMap<RowKey, &NewSession> =
            first.iter().map(|request| (request.key(), &request.session)).collect();
        requests
            .iter()
            .map(|request| {
                let key = request.key();
                let nonce = request.session.nonce;
                if let Some(row_nonce) = inserted.get(&key) {
                    return Ok(if *row_nonce == nonce {
                        Created::New
                    } else {
                        Created::Existing(Box::new(Session::from(written[&key].clone())))
                    });
                }
                Ok(match standing.get(&key) {
                    Some(row) => {
                        let session = Session::try_from(row.clone());
                        let session = Box::new(session.map_err(|error| sqlx::Error::Decode(error.into()))?);
                        // Written by an earlier attempt at this very request, whose COMMIT went unanswered.
                        if row.nonce == nonce { Created::Recovered(session) } else { Created::Existing(session) }
                    }
                    None => Created::NoSuchAgent,
                })
            })
            .collect()
    }
}

/// Lets those know who follow sessions and count them.
async fn tell(
    connection: &mut PgConnection,
    requests: &[&Request],
    inserted: &HashMap<RowKey, Uuid>,
) -> Result<(), sqlx::Error> {
    let (mut uses, mut started) = (Vec::new(), Vec::new());
    for request in requests.iter().filter(|request| inserted.contains_key(&request.key())) {
        let Request { org, session } = request;
        if let Some(agent) = session.agent.filter(|_| usage::counts(session.dialect)) {
            uses.push(Use { org: *org, agent, at: session.created_at, seconds: None });
        }
        if feed::follows(session.dialect.code()) {
            started.push((request.key(), Happened::Started, session.created_at));
        }
    }
    usage::count(connection, &uses).await?;
    feed::tell(connection, &started).await
}

/// Inserts what is not there yet and has a living agent, or none; gives back the nonces of the rows it inserted.
pub async fn insert(
    connection: &mut PgConnection,
    requests: &[&Request],
) -> Result<HashMap<RowKey, Uuid>, sqlx::Error> {
    let orgs: Vec<Uuid> = requests.iter().map(|r| r.org.0).collect();
    let column = |of: fn(&NewSession) -> Uuid| -> Vec<Uuid> { requests.iter().map(|r| of(&r.session)).collect() };
    let ids = column(|s| s.id.0);
    let nonces = column(|s| s.nonce);
    let agents: Vec<Option<Uuid>> = requests.iter().map(|r| r.session.agent.map(|agent| agent.0)).collect();
    let dialects: Vec<i16> = requests.iter().map(|r| r.session.dialect.code()).collect();
    let enabled: Vec<bool> = requests.iter().map(|r| r.session.enabled).collect();
    let public_ids: Vec<&str> = requests.iter().map(|r| r.session.public_id.as_str()).collect();
    let texts = |of: fn(&NewSession) -> Option<&str>| -> Vec<Option<&str>> {
        requests.iter().map(|r| of(&r.session)).collect()
    };
    let kinds = texts(|s| s.kind.as_deref());
    let users = texts(|s| s.user_id.as_deref());
    let names = texts(|s| s.name.as_deref());
    let descriptions = texts(|s| s.description.as_deref());
    let metadata = texts(|s| s.metadata.as_ref().map(JsonText::as_str));
    let details: Vec<&str> = requests.iter().map(|r| r.session.detail.as_str()).collect();
    let created: Vec<Timestamp> = requests.iter().map(|r| r.session.created_at).collect();
    let expires: Vec<Option<Timestamp>> = requests.iter().map(|r| r.session.expires_at).collect();

    // Written so that the planner has one way to the agent, by its primary key: the limit keeps it from reading all
    // agents of the organizations, the missing condition on deleted_at from an index that knows no agent's UUID.
    let rows = sqlx::query!(
        "INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, enabled, kind, user_id, name,
                               description, metadata, detail, created_at, updated_at, expires_at)
         SELECT new.org_id, new.dialect, new.session_id, new.agent_id, new.public_id, new.nonce, new.enabled, new.kind,
                new.user_id, new.name, new.description, new.metadata::json, new.detail::json, new.created_at,
                new.created_at, new.expires_at
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::boolean[],
                       $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[],
                       $15::timestamptz[])
             AS new (org_id, dialect, session_id, agent_id, public_id, nonce, enabled, kind, user_id, name,
                     description, metadata, detail, created_at, expires_at)
           LEFT JOIN LATERAL (SELECT a.deleted_at IS NULL AS lives FROM agents a
                               WHERE a.org_id = new.org_id AND a.agent_id = new.agent_id
                               LIMIT 1) agent ON true
          WHERE new.agent_id IS NULL OR agent.lives
          ORDER BY new.org_id, new.dialect, new.session_id
             ON CONFLICT (org_id, dialect, session_id) DO NOTHING
         RETURNING org_id, dialect, session_id, nonce",
        &orgs,
        &dialects,
        &ids,
        &agents as &[Option<Uuid>],
        &public_ids as &[&str],
        &nonces,
        &enabled,
        &kinds as &[Option<&str>],
        &users as &[Option<&str>],
        &names as &[Option<&str>],
        &descriptions as &[Option<&str>],
        &metadata as &[Option<&str>],
        &details as &[&str],
        &created,
        &expires as &[Option<Timestamp>]
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (RowKey::of(row.org_id, row.dialect, row.session_id), row.nonce)).collect())
}
