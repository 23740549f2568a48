//! An agent's row with its avatar.

use uuid::Uuid;

use crate::domain::{Agent, AgentId, AgentNumber, Avatar, JsonText, Timestamp};
use crate::store::StoreError;
use crate::store::bytes::{Weighed, json_bytes, optional_json_bytes};

/// A row of `agents` as it is read.
#[derive(Debug)]
pub struct AgentRow {
    pub agent_id: Uuid,
    pub key: String,
    pub number: i64,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub language: String,
    pub responder: Option<String>,
    pub settings: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub avatar_number: Option<i64>,
    pub avatar_name: Option<String>,
    pub avatar_url: Option<String>,
    pub voice_id: Option<String>,
}

impl Weighed for AgentRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.description, &self.responder, &self.avatar_name, &self.avatar_url, &self.voice_id];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + json_bytes(&self.key) + json_bytes(&self.name) + json_bytes(&self.language) + self.settings.len()
    }
}

/// The statement that reads agents of the organization `$1` that are not deleted.
macro_rules! living_agents {
    ($how:literal, $($bind:expr),+ $(,)?) => {
        sqlx::query_as!(
            AgentRow,
            r#"SELECT a.agent_id, a.key, a.number, a.name, a.description, a.enabled, a.language,
                      a.responder::text AS responder, a.settings::text AS "settings!", a.created_at, a.updated_at,
                      a.avatar_number, v.name AS "avatar_name?", v.url AS "avatar_url?", v.voice_id
                 FROM agents a
                 LEFT JOIN LATERAL (SELECT x.name, x.url, x.voice_id FROM avatars x
                                      WHERE x.org_id = $1 AND x.number = a.avatar_number LIMIT 1) v ON true
                WHERE a.org_id = $1 AND a.deleted_at IS NULL "#
                + $how,
            $($bind),+
        )
    };
}
pub(in crate::store) use living_agents;

impl TryFrom<AgentRow> for Agent {
    type Error = StoreError;

    fn try_from(row: AgentRow) -> Result<Self, Self::Error> {
        let avatar = match (row.avatar_number, row.avatar_name, row.avatar_url) {
            (Some(number), Some(name), Some(url)) => Some(Avatar { number, name, url, voice_id: row.voice_id }),
            _ => None,
        };
        Ok(Self {
            id: AgentId(row.agent_id),
            key: row.key.parse().map_err(|_| StoreError::Unreadable(format!("agent key {}", row.key)))?,
            number: AgentNumber::new(row.number)
                .ok_or_else(|| StoreError::Unreadable(format!("agent number {}", row.number)))?,
            name: row.name,
            description: row.description,
            enabled: row.enabled,
            language: row.language,
            avatar_number: row.avatar_number,
            avatar,
            responder: row.responder.map(|text| serde_json::from_str(&text)).transpose()?,
            settings: JsonText::stored(row.settings)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
