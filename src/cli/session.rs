//! `session list`, `session show`, `session export`, `session import`: the stored sessions of all dialects.

use clap::Subcommand;
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::output::{Table, print, table_text};
use super::transfer::{Export, Import};
use super::{Context, Failure, org};
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, JsonText, OrgId, Session as Kept, SessionId, Timestamp};
use crate::store::SessionRow;
use crate::store::admin::{AdminStore, EventRow};

/// Rows in memory at once.
const PAGE: i64 = 500;

#[derive(Subcommand)]
pub(super) enum Session {
    /// List sessions, newest first
    List {
        #[arg(long)]
        org: String,
        #[arg(long)]
        dialect: Option<DialectName>,
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show one session with its events
    Show {
        #[arg(long)]
        org: String,
        /// The dialect, if several have a session with this id
        #[arg(long)]
        dialect: Option<DialectName>,
        /// The dialect's id of the session, or its UUID
        id: String,
    },
    /// Print every session with its events, one JSON object per line, as GET /sessionary/v1/exports
    Export(Export),
    /// Store the sessions of an export
    Import(Import),
}

#[derive(Serialize)]
struct ShownSession {
    dialect: &'static str,
    id: String,
    session_id: SessionId,
    org_id: OrgId,
    agent_id: Option<AgentId>,
    state: &'static str,
    enabled: bool,
    kind: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    metadata: Option<JsonText>,
    detail: JsonText,
    created_at: Timestamp,
    updated_at: Timestamp,
    expires_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<ShownEvent>>,
}

#[derive(Serialize)]
struct ShownEvent {
    number: i64,
    event_id: Uuid,
    id: Option<String>,
    kind: String,
    author_id: Option<String>,
    content: Option<String>,
    payload: JsonText,
    hidden: bool,
    created_at: Timestamp,
}

const TABLE: Table<'_> = Table { name: "sessions", heads: &["id", "dialect", "state", "created", "name"] };
/// Characters of an event's text that text output shows.
const SHOWN_CHARS: usize = 80;

impl ShownSession {
    fn details(&self) -> Vec<(&'static str, String)> {
        let text = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        let time = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_rfc3339());
        vec![
            ("UUID", self.session_id.0.to_string()),
            ("organization", self.org_id.to_string()),
            ("agent", text(self.agent_id.map(|id| id.to_string()))),
            ("state", self.state.to_owned()),
            ("user", text(self.user_id.clone())),
            ("name", text(self.name.clone())),
            ("metadata", text(self.metadata.as_ref().map(|json| json.as_str().to_owned()))),
            ("created", self.created_at.to_rfc3339()),
            ("updated", self.updated_at.to_rfc3339()),
            ("expires", time(self.expires_at)),
            ("ended", time(self.ended_at)),
        ]
    }

    fn print_events(&self) {
        let events = self.events.as_deref().unwrap_or_default();
        if events.is_empty() {
            return print("No events.\n");
        }
        let cells = |event: &ShownEvent| {
            let text = event.content.as_deref().unwrap_or_else(|| event.payload.as_str());
            let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            let author = event.author_id.clone().unwrap_or_else(|| "-".to_owned());
            vec![event.number.to_string(), event.created_at.to_rfc3339(), event.kind.clone(), author, shown]
        };
        let rows: Vec<Vec<String>> = events.iter().map(cells).collect();
        print(&table_text(&["number", "time", "kind", "author", "text"], &rows));
    }
}

impl Session {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Export(export) => export.run(context).await,
            Self::Import(import) => import.run(context).await,
            other => other.show(context).await,
        }
    }

    async fn show(self, context: &Context) -> Result<(), Failure> {
        let now = context.clock.now();
        administer(context, async |admin| match self {
            Self::List { org, dialect, limit } => {
                let org = org::find(admin, &org).await?;
                let rows = admin.sessions(org, dialect, None, limit).await?;
                let rows: Vec<ShownSession> =
                    rows.into_iter().map(|row| shown(row, None, now)).collect::<Result<_, Failure>>()?;
                context.output.table(&TABLE, &rows, |row| {
                    let name = row.name.clone().unwrap_or_else(|| "-".to_owned());
                    vec![
                        row.id.clone(),
                        row.dialect.to_owned(),
                        row.state.to_owned(),
                        row.created_at.to_rfc3339(),
                        name,
                    ]
                });
                Ok(())
            }
            Self::Show { org, dialect, id } => {
                let org = org::find(admin, &org).await?;
                let mut rows = admin.sessions_called(org, &id).await?;
                rows.retain(|row| dialect.is_none_or(|dialect| dialect.code() == row.dialect));
                let row = rows.pop().ok_or("there is no such session")?;
                if !rows.is_empty() {
                    return Err("several dialects have a session with that id: choose one with --dialect".into());
                }
                let events = events(admin, &row).await?;
                let shown = shown(row, Some(events), now)?;
                context.output.details(&format!("Session {} ({})", shown.id, shown.dialect), &shown.details(), &shown);
                if !context.output.json {
                    shown.print_events();
                }
                Ok(())
            }
            Self::Export(_) | Self::Import(_) => Ok(()),
        })
        .await
    }
}

/// Returns all events of a session. A conversation fits in memory; an organization may not.
async fn events(admin: &AdminStore, session: &SessionRow) -> Result<Vec<EventRow>, Failure> {
    let mut events: Vec<EventRow> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.number);
        let more = admin.events(session, after, PAGE).await?;
        if more.is_empty() {
            return Ok(events);
        }
        events.extend(more);
    }
}

fn shown(row: SessionRow, events: Option<Vec<EventRow>>, now: Timestamp) -> Result<ShownSession, Failure> {
    let org_id = OrgId(row.org_id);
    let session = Kept::try_from(row)?;
    let state = match session.state_at(now) {
        State::Open => "open",
        State::Expired => "expired",
        State::Ended => "ended",
    };
    let events = events
        .map(|events| {
            events
                .into_iter()
                .map(|event| {
                    Ok(ShownEvent {
                        number: event.number,
                        event_id: event.event_id,
                        id: event.public_id,
                        kind: event.kind,
                        author_id: event.author_id,
                        content: event.content,
                        payload: JsonText::stored(event.payload)?,
                        hidden: event.hidden,
                        created_at: event.created_at,
                    })
                })
                .collect::<Result<Vec<_>, serde_json::Error>>()
        })
        .transpose()?;
    Ok(ShownSession {
        dialect: session.dialect.as_str(),
        id: session.public_id,
        session_id: session.id,
        org_id,
        agent_id: session.agent,
        state,
        enabled: session.enabled,
        kind: session.kind,
        user_id: session.user_id,
        name: session.name,
        description: session.description,
        metadata: session.metadata,
        detail: session.detail,
        created_at: session.created_at,
        updated_at: session.updated_at,
        expires_at: session.expires_at,
        ended_at: session.ended_at,
        events,
    })
}
