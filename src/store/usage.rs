//! The usage of agents. It is counted in the transaction that starts or ends a session, so that each session counts
//! once.

use std::collections::HashMap;

use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Agents, StoreError, scope};
use crate::domain::{AgentId, DialectName, OrgId, Session, Timestamp};

/// One use of an agent.
pub(super) struct Use {
    pub org: OrgId,
    pub agent: AgentId,
    pub at: Timestamp,
    /// The duration of an ended session; `None` for a start.
    pub seconds: Option<i64>,
}

/// The duration in a session's detail.
#[derive(Deserialize)]
struct Spent {
    duration: Option<i64>,
}

impl Use {
    /// Returns the use for the end of a session, if its dialect counts.
    pub fn ended(org: OrgId, session: &Session) -> Option<Self> {
        let (agent, at) = (session.agent?, session.ended_at?);
        let spent = session.detail.read::<Spent>().ok().and_then(|spent| spent.duration);
        let seconds = Some(spent.unwrap_or((at - session.created_at).num_seconds()));
        (session.dialect == DialectName::WITH_USAGE).then_some(Self { org, agent, at, seconds })
    }
}

/// Adds the uses of a transaction.
pub(super) async fn count(connection: &mut PgConnection, uses: &[Use]) -> Result<(), sqlx::Error> {
    if uses.is_empty() {
        return Ok(());
    }
    let orgs: Vec<Uuid> = uses.iter().map(|one| one.org.0).collect();
    let agents: Vec<Uuid> = uses.iter().map(|one| one.agent.0).collect();
    let times: Vec<Timestamp> = uses.iter().map(|one| one.at).collect();
    let seconds: Vec<Option<i64>> = uses.iter().map(|one| one.seconds).collect();
    sqlx::query!(
        "INSERT INTO agent_usage AS u (org_id, agent_id, shard, started, ended, seconds, last_used_at)
         SELECT org_id, agent_id, (pg_backend_pid() % 32)::smallint, count(*) - count(seconds), count(seconds),
                COALESCE(sum(seconds), 0)::bigint, max(at)
           FROM UNNEST($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[]) AS used (org_id, agent_id, at, seconds)
          GROUP BY org_id, agent_id
          ORDER BY org_id, agent_id
             ON CONFLICT (org_id, agent_id, shard)
             DO UPDATE SET started = u.started + EXCLUDED.started, ended = u.ended + EXCLUDED.ended,
                           seconds = u.seconds + EXCLUDED.seconds,
                           last_used_at = GREATEST(u.last_used_at, EXCLUDED.last_used_at)",
        &orgs,
        &agents,
        &times,
        &seconds as &[Option<i64>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The usage of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub sessions: i64,
    /// The average over ended sessions; `None` when none has ended.
    pub average_seconds: Option<f64>,
    pub last_used_at: Option<Timestamp>,
}

impl Agents<'_> {
    /// Returns the usage of these agents. Agents that were never used are missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn usage(&self, agents: &[AgentId]) -> Result<HashMap<AgentId, Usage>, StoreError> {
        let agents: Vec<Uuid> = agents.iter().map(|agent| agent.0).collect();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query!(
            r#"SELECT agent_id, sum(started)::bigint AS "started!", max(last_used_at) AS last_used_at,
                      (sum(seconds) / NULLIF(sum(ended), 0))::float8 AS average
                 FROM agent_usage
                WHERE org_id = $1 AND agent_id = ANY ($2)
                GROUP BY agent_id"#,
            self.0.org.0,
            &agents
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let usage = rows.into_iter().map(|row| {
            let usage = Usage { sessions: row.started, average_seconds: row.average, last_used_at: row.last_used_at };
            (AgentId(row.agent_id), usage)
        });
        Ok(usage.collect())
    }
}
