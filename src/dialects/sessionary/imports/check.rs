//! Checks a line of an import, and turns it into what is stored.

use crate::dialects::importing;
use crate::dialects::sessionary::exports::line::{ExportLine, LineAgent, LineEvent, LineSession};
use crate::dialects::sessionary::session_ref::SessionRef;
use crate::domain::json::{self, MAX_DEPTH};
use crate::domain::{
    AgentId, AgentKey, AgentNumber, DialectName, Event, EventId, JsonText, NewAgent, Session, SessionId, SessionKey,
    SessionNumber, Timestamp,
};
use crate::store::{ExportedFacts, ImportedEvent, ImportedPart, ImportedSession};

/// How deeply a line's own objects nest what was checked before: the line, its events, an event, and the object that a
/// dialect stores a body in.
const OWN_DEPTH: usize = 5;
/// Events of a line. An export writes fewer.
const MAX_EVENTS: usize = 10_000;
/// Characters of a kind.
const MAX_KIND: usize = 50;
/// How often a session key can have been used again. Each time is tried, which takes less than a millisecond.
const MAX_GENERATIONS: u32 = 4_096;

/// A valid line.
pub(super) struct CheckedLine {
    pub part: ImportedPart,
    /// The agent of the session, to be created if it does not exist; `None` for no agent.
    pub agent: Option<CheckedAgent>,
}

pub(super) struct CheckedAgent {
    pub id: AgentId,
    /// Missing if there is nothing to create.
    pub new: Option<NewAgent>,
}

type Detail = String;

/// Parses and checks a line. `nonce` is that of a new session.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn checked(line: &[u8], nonce: uuid::Uuid) -> Result<CheckedLine, Detail> {
    let text = json::check_within(line, MAX_DEPTH + OWN_DEPTH).map_err(|fault| fault.to_string())?;
    let line: ExportLine =
        serde_json::from_str(text).map_err(|error| format!("The line is not of an export: {error}"))?;
    let SessionRef { dialect, id } = line.id.parse().map_err(|_| "id is not a session's id")?;
    if line.events.len() > MAX_EVENTS {
        return Err(format!("A line has at most {MAX_EVENTS} events."));
    }
    let (session, agent) = match line.session {
        Some(session) => {
            let (session, agent) = session_of(dialect, id, session, nonce)?;
            (Some(session), agent)
        }
        None => (None, None),
    };
    let events = line.events.into_iter().map(|event| event_of(dialect, event)).collect::<Result<Vec<_>, _>>()?;
    if !events.windows(2).all(|pair| pair[0].event.number < pair[1].event.number) {
        return Err("The events are not in the order of their numbers.".to_owned());
    }
    Ok(CheckedLine { part: ImportedPart { dialect, id, session, events }, agent })
}

/// Checks that a time is one that every reader can read.
fn time(name: &str, at: Timestamp) -> Result<Timestamp, Detail> {
    use chrono::Datelike;
    // Postgres has microseconds.
    let is_storable = (1970..=9999).contains(&at.year()) && at.timestamp_subsec_nanos().is_multiple_of(1_000);
    if is_storable { Ok(at) } else { Err(format!("{name} is not a time of the years 1970 to 9999 with microseconds")) }
}

fn optional_time(name: &str, at: Option<Timestamp>) -> Result<Option<Timestamp>, Detail> {
    at.map(|at| time(name, at)).transpose()
}

fn object(name: &str, json: JsonText) -> Result<JsonText, Detail> {
    if json.as_str().starts_with('{') { Ok(json) } else { Err(format!("{name} is not an object")) }
}

fn session_of(
    dialect: DialectName,
    id: SessionId,
    line: LineSession,
    nonce: uuid::Uuid,
) -> Result<(ImportedSession, Option<CheckedAgent>), Detail> {
    let agent = line.agent.as_ref().map(|agent| AgentId(agent.id));
    if !is_id_of(dialect, id, &line.vendor_id, agent) {
        return Err("vendor_id does not belong to the session's id".to_owned());
    }
    let last_event = match (line.last_event_number, line.last_event_at) {
        (None, None) => None,
        // The counter of a captured conversation begins with 0.
        (Some(number), Some(at)) if number >= 0 => Some((number, time("last_event_at", at)?)),
        _ => return Err("last_event_number and last_event_at do not belong together".to_owned()),
    };
    let session = Session {
        dialect,
        id,
        agent,
        public_id: line.vendor_id,
        enabled: line.enabled,
        kind: line.kind,
        user_id: line.user_id,
        name: line.name,
        description: line.description,
        metadata: line.metadata.map(|metadata| object("metadata", metadata)).transpose()?,
        detail: object("dialect_data", line.dialect_data)?,
        created_at: time("created_at", line.created_at)?,
        updated_at: time("updated_at", line.updated_at)?,
        expires_at: optional_time("expires_at", line.expires_at)?,
        ended_at: optional_time("ended_at", line.ended_at)?,
        expiry_reported_at: optional_time("expiry_reported_at", line.expiry_reported_at)?,
        turn: None,
        nonce,
        is_erased: false,
    };
    if !importing::reads_session(&session) {
        return Err("dialect_data is not that of a session of its dialect".to_owned());
    }
    let agent = line.agent.map(agent_of).transpose()?;
    Ok((ImportedSession { session, last_event }, agent))
}

/// Returns whether the dialect's id leads to the session's UUID.
fn is_id_of(dialect: DialectName, id: SessionId, vendor_id: &str, agent: Option<AgentId>) -> bool {
    match dialect {
        DialectName::Agnost => vendor_id.len() <= 2_048 && SessionId::from_agnost(vendor_id) == id,
        DialectName::Agntix => SessionId::from_agntix(vendor_id) == Some(id),
        DialectName::Messaging => id.0.to_string() == vendor_id,
        DialectName::IntegerId => {
            vendor_id.parse::<SessionNumber>().is_ok_and(|number| SessionId::from_number(number) == id)
        }
        DialectName::AgentKey => {
            let Some(agent) = agent else { return false };
            // An erased session whose key was used again has lost it.
            vendor_id.is_empty()
                || vendor_id.parse::<SessionKey>().is_ok_and(|key| {
                    SessionId::from_key(agent, &key) == id
                        || (1..=MAX_GENERATIONS).any(|n| SessionId::from_key_again(agent, &key, n) == id)
                })
        }
    }
}

fn agent_of(line: LineAgent) -> Result<CheckedAgent, Detail> {
    let id = AgentId(line.id);
    let Some(names) = line.names.filter(|names| names.deleted_at.is_none()) else {
        return Ok(CheckedAgent { id, new: None });
    };
    let key: AgentKey = names.key.parse().map_err(|error| format!("the agent's key {error}"))?;
    let number = AgentNumber::new(names.number).ok_or("the agent's number is not one from 1 to 2^53")?;
    if !(1..=200).contains(&names.name.chars().count()) || names.language.len() > 20 {
        return Err("the agent's name must have 1 to 200 characters, its language at most 20".to_owned());
    }
    let new = NewAgent {
        number: Some(number),
        description: names.description,
        enabled: names.enabled,
        language: names.language,
        ..NewAgent::named(id, key, names.name, time("the agent's created_at", names.created_at)?)
    };
    Ok(CheckedAgent { id, new: Some(new) })
}

fn event_of(dialect: DialectName, line: LineEvent) -> Result<ImportedEvent, Detail> {
    let number = line.number;
    let wrong = |what: &str| format!("event {number}: {what}");
    if number < 1 || line.kind.is_empty() || line.kind.chars().count() > MAX_KIND {
        return Err(wrong("number must be 1 or more, and kind must have 1 to 50 characters"));
    }
    let event = Event {
        number,
        id: EventId(line.id),
        public_id: line.vendor_id,
        parent: line.parent_id.map(EventId),
        kind: line.kind,
        author_id: line.author_id,
        content: line.content,
        payload: line.payload,
        hidden: line.hidden,
        created_at: time("created_at", line.created_at).map_err(|detail| wrong(&detail))?,
    };
    if !importing::reads_event(dialect, &event) {
        return Err(wrong("payload is not that of an event of its dialect"));
    }
    let captured = match (dialect, line.captured) {
        (DialectName::Agnost, Some(facts)) => {
            if facts.latency_ms < 0 {
                return Err(wrong("latency_ms is negative"));
            }
            let at = time("captured.at", facts.at).map_err(|detail| wrong(&detail))?;
            let (success, latency_ms) = (facts.success, facts.latency_ms);
            let facts = ExportedFacts { at, success, latency_ms, untimed: !facts.is_timed };
            Some((facts, importing::captured_grams(&event)))
        }
        (DialectName::Agnost, None) => return Err(wrong("captured is missing")),
        (_, Some(_)) => return Err(wrong("only events of agnost are captured")),
        (_, None) => None,
    };
    let span = match line.span {
        None => None,
        Some(span) if captured.is_some() => {
            time("span.started_at", span.started_at).map_err(|detail| wrong(&detail))?;
            Some(span.read(line.id).ok_or_else(|| wrong("span has a number that is not valid"))?)
        }
        Some(_) => return Err(wrong("only events of agnost are spans")),
    };
    Ok(ImportedEvent { event, captured, span })
}
