//! Creates sessions in groups.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::row_key::KeyColumns;
use super::{Created, RowKey, SessionRow};
use crate::domain::{AgentId, DialectName, JsonText, KeyId, NewSession, OrgId, Session, Timestamp};
use crate::store::feed::FeedKind;
use crate::store::group::Batch;
use crate::store::scope::WriterConnection;
use crate::store::usage_days::{Amounts, Used};

pub struct Request {
    pub org: OrgId,
    pub session: NewSession,
    /// Other ids of the session's user.
    pub aliases: Vec<String>,
    /// The API key whose usage is counted.
    pub used_by: Option<KeyId>,
}

impl Request {
    fn key(&self) -> RowKey {
        RowKey::new(self.org, self.session.dialect, self.session.id)
    }

    /// Returns whether something is written beside the session: its start in the feed or the usage, or aliases.
    fn is_told(&self) -> bool {
        [DialectName::WITH_FEED, DialectName::WITH_USAGE].contains(&self.session.dialect) || !self.aliases.is_empty()
    }
}

pub enum CreateSessions {}

impl Batch for CreateSessions {
    const NAME: &'static str = "create_session";
    type Request = Request;
    type Answer = Created;
    type Memory = ();

    fn org(request: &Request) -> OrgId {
        request.org
    }

    fn bytes(request: &Request) -> usize {
        request.session.bytes()
    }

    fn stored(request: &Request, created: &Created) -> usize {
        if *created == Created::New { request.session.bytes() } else { 0 }
    }

    fn used(request: &Request, created: &Created) -> Option<Used> {
        let Request { org, session, used_by, .. } = request;
        let amounts = Amounts { sessions: i64::from(*created == Created::New), ..Amounts::default() };
        let (at, dialect, agent) = (session.created_at, session.dialect.into(), session.agent);
        Some(Used { org: *org, at, dialect, agent, key: *used_by, amounts })
    }

    fn route(request: &Request) -> u64 {
        request.key().route()
    }

    async fn run(writer: &mut WriterConnection, requests: &[&Request]) -> Result<Vec<Created>, sqlx::Error> {
        // A duplicate id would fail the statement, and two writers that lock in different orders would deadlock. The
        // sort is stable, so of several creates of one session the first to arrive is written.
        let mut first: Vec<&Request> = requests.to_vec();
        first.sort_by_key(|request| request.key());
        first.dedup_by_key(|request| request.key());
        let orgs = RowKey::organizations(&first.iter().map(|request| request.key()).collect::<Vec<_>>());

        let mut connection = writer.narrowed(&orgs).await?;
        let mut inserted = write(&mut connection, &first).await?;
        let mut standing = HashMap::new();
        let others: Vec<&Request> =
            first.iter().copied().filter(|request| !inserted.contains_key(&request.key())).collect();
        if others.is_empty() {
            connection.done().await?;
        } else {
            let keys: Vec<RowKey> = others.iter().map(|request| request.key()).collect();
            standing = SessionRow::read(&mut connection, &keys).await?;
            connection.done().await?;
            // Neither written nor found: its agent is deleted, or the row that conflicted with it is.
            let neither: Vec<&Request> =
                others.into_iter().filter(|request| !standing.contains_key(&request.key())).collect();
            if !neither.is_empty() {
                // In a transaction of its own, because it numbers its entries of the feed again.
                let mut connection = writer.narrowed(&orgs).await?;
                inserted.extend(write(&mut connection, &neither).await?);
                connection.done().await?;
            }
        }

        requests
            .iter()
            .map(|request| {
                let key = request.key();
                let nonce = request.session.nonce;
                if let Some(row_nonce) = inserted.get(&key) {
                    return Ok(if *row_nonce == nonce {
                        Created::New
                    } else {
                        let written = &first[first.partition_point(|request| request.key() < key)].session;
                        Created::Existing(Box::new(Session::from(written.clone())))
                    });
                }
                Ok(match standing.get(&key) {
                    Some(row) => {
                        let session = Session::try_from(row.clone());
                        let session = Box::new(session.map_err(|error| sqlx::Error::Decode(error.into()))?);
                        // Written by an earlier attempt at this request, whose COMMIT was not confirmed.
                        if row.nonce == nonce { Created::Recovered(session) } else { Created::Existing(session) }
                    }
                    None => Created::NoSuchAgent,
                })
            })
            .collect()
    }
}

/// Inserts the sessions, and writes their start to the feed and the usage if needed.
async fn write(connection: &mut PgConnection, requests: &[&Request]) -> Result<HashMap<RowKey, Uuid>, sqlx::Error> {
    if requests.iter().any(|request| request.is_told()) {
        insert_and_tell(connection, requests).await
    } else {
        insert(connection, requests).await
    }
}

/// The sessions of a batch as the columns of a statement.
struct Columns<'r> {
    /// The agents of the batch without duplicates, because Postgres then looks each up once.
    agent_orgs: Vec<Uuid>,
    agents: Vec<Uuid>,
    /// The organizations without duplicates.
    orgs: Vec<Uuid>,
    /// Which of the agents is the session's own, counted from 1, as in arrays of SQL.
    agent_places: Vec<Option<i32>>,
    keys: KeyColumns,
    nonces: Vec<Uuid>,
    enabled: Vec<bool>,
    public_ids: Vec<&'r str>,
    kinds: Vec<Option<&'r str>>,
    users: Vec<Option<&'r str>>,
    names: Vec<Option<&'r str>>,
    descriptions: Vec<Option<&'r str>>,
    metadata: Vec<Option<&'r str>>,
    details: Vec<&'r str>,
    created: Vec<Timestamp>,
    expires: Vec<Option<Timestamp>>,
}

impl<'r> Columns<'r> {
    fn of(requests: &[&'r Request]) -> Self {
        let sessions = || requests.iter().map(|request| &request.session);
        let texts = |of: fn(&NewSession) -> Option<&str>| -> Vec<Option<&'r str>> { sessions().map(of).collect() };
        let (mut agent_orgs, mut agents, mut known) = (Vec::new(), Vec::new(), HashMap::new());
        let mut place = |org: OrgId, agent: AgentId| {
            *known.entry((org, agent)).or_insert_with(|| {
                agent_orgs.push(org.0);
                agents.push(agent.0);
                agents.len() as i32
            })
        };
        let agent_places = requests.iter().map(|r| r.session.agent.map(|agent| place(r.org, agent))).collect();
        let keys: Vec<RowKey> = requests.iter().map(|request| request.key()).collect();
        let orgs: HashSet<Uuid> = keys.iter().map(|key| key.org.0).collect();
        Self {
            agent_orgs,
            agents,
            orgs: orgs.into_iter().collect(),
            agent_places,
            keys: RowKey::columns(&keys),
            nonces: sessions().map(|session| session.nonce).collect(),
            enabled: sessions().map(|session| session.enabled).collect(),
            public_ids: sessions().map(|session| session.public_id.as_str()).collect(),
            kinds: texts(|session| session.kind.as_deref()),
            users: texts(|session| session.user_id.as_deref()),
            names: texts(|session| session.name.as_deref()),
            descriptions: texts(|session| session.description.as_deref()),
            metadata: texts(|session| session.metadata.as_ref().map(JsonText::as_str)),
            details: sessions().map(|session| session.detail.as_str()).collect(),
            created: sessions().map(|session| session.created_at).collect(),
            expires: sessions().map(|session| session.expires_at).collect(),
        }
    }
}

/// The statement that inserts sessions that do not exist and that have no agent or one that is not deleted, between two
/// texts. `$agents` is how it finds the agents, `$agent` an agent's id, and `$is_live` which sessions are inserted.
///
/// The columns are unpacked in the select list, because a function in FROM would copy its rows first.
macro_rules! inserted {
    (agents: $agents:literal, agent: $agent:literal, is_live: $is_live:literal, $new:expr, $connection:expr,
     $returned:literal, $behind:literal $(, $argument:expr)*) => {{
        let new = $new;
        let rows = sqlx::query!(
            "WITH "
                + $agents
                + "followed AS MATERIALIZED (
                 SELECT f.org_id FROM feed_followers f
                  WHERE f.org_id = ANY ($3) AND (f.until IS NULL OR f.until > now())
             ), inserted AS (
                 INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, enabled, kind, user_id,
                                       name, description, metadata, detail, created_at, updated_at, expires_at)
                 SELECT new.org_id, new.dialect, new.session_id, "
                + $agent
                + ", new.public_id, new.nonce, new.enabled, new.kind, new.user_id, new.name, new.description,
                        new.metadata::json, new.detail::json, new.created_at, new.created_at, new.expires_at
                   FROM (SELECT unnest($4::uuid[]) AS org_id, unnest($5::smallint[]) AS dialect,
                                unnest($6::uuid[]) AS session_id, unnest($7::int[]) AS agent,
                                unnest($8::text[]) AS public_id, unnest($9::uuid[]) AS nonce,
                                unnest($10::boolean[]) AS enabled, unnest($11::text[]) AS kind,
                                unnest($12::text[]) AS user_id, unnest($13::text[]) AS name,
                                unnest($14::text[]) AS description, unnest($15::text[]) AS metadata,
                                unnest($16::text[]) AS detail, unnest($17::timestamptz[]) AS created_at,
                                unnest($18::timestamptz[]) AS expires_at) AS new
                  WHERE "
                + $is_live
                + " ON CONFLICT (org_id, dialect, session_id) DO NOTHING
                 RETURNING org_id, dialect, session_id, nonce"
                + $returned
                + "), told AS ("
                + $behind
                + r#") SELECT org_id AS "org_id!", dialect AS "dialect!", session_id AS "session_id!",
                              nonce AS "nonce!"
                         FROM inserted"#,
            &new.agent_orgs,
            &new.agents,
            &new.orgs,
            &new.keys.orgs,
            &new.keys.dialects,
            &new.keys.ids,
            &new.agent_places as &[Option<i32>],
            &new.public_ids as &[&str],
            &new.nonces,
            &new.enabled,
            &new.kinds as &[Option<&str>],
            &new.users as &[Option<&str>],
            &new.names as &[Option<&str>],
            &new.descriptions as &[Option<&str>],
            &new.metadata as &[Option<&str>],
            &new.details as &[&str],
            &new.created,
            &new.expires as &[Option<Timestamp>]
            $(, $argument)*
        )
        .fetch_all($connection)
        .await?;
        Ok(rows.into_iter().map(|row| (RowKey::of(row.org_id, row.dialect, row.session_id), row.nonce)).collect())
    }};
}

/// Calls `inserted`, and looks up agents if a session of the batch has one.
///
/// It leaves the planner only the primary key to find an agent: the limit prevents reading all agents of the
/// organizations, and without a condition on deleted_at the indexes without the agent's UUID cannot be used.
macro_rules! inserted_with_agents {
    ($requests:expr $(, $rest:tt)*) => {{
        let new = Columns::of($requests);
        if new.agents.is_empty() {
            inserted!(
                agents: "",
                agent: "NULL::uuid",
                is_live: "new.agent IS NULL AND $1::uuid[] IS NOT NULL AND $2::uuid[] IS NOT NULL",
                new $(, $rest)*
            )
        } else {
            inserted!(
                agents: "asked AS MATERIALIZED (
                     SELECT array_agg(agent_id ORDER BY place) AS agents,
                            array_agg(COALESCE(lives, false) ORDER BY place) AS live
                       FROM UNNEST($1::uuid[], $2::uuid[]) WITH ORDINALITY AS named (org_id, agent_id, place)
                       LEFT JOIN LATERAL (SELECT a.deleted_at IS NULL AS lives FROM agents a
                                           WHERE a.org_id = named.org_id AND a.agent_id = named.agent_id
                                           LIMIT 1) agent ON true
                 ), ",
                agent: "(SELECT agents FROM asked)[new.agent]",
                is_live: "new.agent IS NULL OR (SELECT live FROM asked)[new.agent]",
                new $(, $rest)*
            )
        }
    }};
}

/// Inserts sessions that do not exist and that have no agent or one that is not deleted, and writes the start of those
/// of followed organizations to the feed in the same statement. Returns the nonces of the inserted rows. Called once
/// per transaction, because entries of the feed are numbered within it.
pub async fn insert(
    connection: &mut PgConnection,
    requests: &[&Request],
) -> Result<HashMap<RowKey, Uuid>, sqlx::Error> {
    inserted_with_agents!(
        requests,
        connection,
        "",
        "INSERT INTO session_feed (org_id, place, dialect, session_id, kind, at)
         SELECT org_id, row_number() OVER (), dialect, session_id, $19, now()
           FROM inserted WHERE org_id IN (SELECT org_id FROM followed)",
        (FeedKind::Started.code())
    )
}

/// Inserts sessions like [`insert`], and writes their start to the feed ([`crate::store::feed`]) and the usage
/// ([`crate::store::usage`]) and the aliases of their users in the same statement.
async fn insert_and_tell(
    connection: &mut PgConnection,
    requests: &[&Request],
) -> Result<HashMap<RowKey, Uuid>, sqlx::Error> {
    let aliases = || requests.iter().flat_map(|request| request.aliases.iter().map(|alias| (request.key(), alias)));
    let aliased = RowKey::columns(&aliases().map(|(key, _)| key).collect::<Vec<_>>());
    let alias_ids: Vec<String> = aliases().map(|(_, alias)| alias.clone()).collect();
    inserted_with_agents!(
        requests,
        connection,
        ", agent_id, created_at",
        "INSERT INTO session_feed (org_id, place, dialect, session_id, kind, at)
         SELECT org_id, row_number() OVER (), dialect, session_id, $19,
                CASE WHEN dialect = $20 THEN created_at ELSE now() END
           FROM inserted WHERE dialect = $20 OR org_id IN (SELECT org_id FROM followed)
     ), counted AS (
         INSERT INTO agent_usage AS u (org_id, agent_id, shard, started, ended, seconds, last_used_at)
         SELECT org_id, agent_id, (pg_backend_pid() % 32)::smallint, count(*), 0, 0, max(created_at)
           FROM inserted WHERE dialect = $21 AND agent_id IS NOT NULL
          GROUP BY org_id, agent_id
          ORDER BY org_id, agent_id
             ON CONFLICT (org_id, agent_id, shard)
             DO UPDATE SET started = u.started + EXCLUDED.started,
                           last_used_at = GREATEST(u.last_used_at, EXCLUDED.last_used_at)
     ), aliased AS (
         INSERT INTO session_aliases (org_id, dialect, session_id, user_id)
         SELECT org_id, dialect, session_id, alias.user_id
           FROM UNNEST($22::uuid[], $23::smallint[], $24::uuid[], $25::text[])
             AS alias (org_id, dialect, session_id, user_id)
           JOIN inserted USING (org_id, dialect, session_id)
             ON CONFLICT DO NOTHING",
        (FeedKind::Started.code()),
        (DialectName::WITH_FEED.code()),
        (DialectName::WITH_USAGE.code()),
        (&aliased.orgs),
        (&aliased.dialects),
        (&aliased.ids),
        (&alias_ids)
    )
}
