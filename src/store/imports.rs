//! Writes sessions with all that they are, as an export has them.
//!
//! A part is one transaction. What exists already is compared and not written again, so that an import can be repeated
//! from its beginning. Locks are taken in the order of all writers: traces, the session, its counter, its events, totals.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::captures::{CaptureRequest, PlacedSpan, Totals, add_to_search, lock_traces, take_in, write_carried};
use super::events::{EventRow, insert};
use super::scope::PooledTransaction;
use super::sessions::RowKey;
use super::{CarriedSpan, ExportedFacts, Series, SessionRow, StoreError, TenantStore, scope};
use crate::domain::grams::Grams;
use crate::domain::{
    CaptureFacts, DialectName, Event, JsonText, NewCapture, NewEvent, NewSession, Session, SessionId, SessionNumber,
    Timestamp,
};

/// An event to be imported.
#[derive(Debug)]
pub struct ImportedEvent {
    pub event: Event,
    /// Those of a captured event, and its grams for searches.
    pub captured: Option<(ExportedFacts, Grams)>,
    /// How it belongs to its trace, if it is a span.
    pub span: Option<CarriedSpan>,
}

/// A session or further events of one.
#[derive(Debug)]
pub struct ImportedPart {
    pub dialect: DialectName,
    pub id: SessionId,
    /// `None` for further events of a session that exists.
    pub session: Option<ImportedSession>,
    /// In the order of their numbers.
    pub events: Vec<ImportedEvent>,
}

#[derive(Debug)]
pub struct ImportedSession {
    /// Its nonce is drawn for the import.
    pub session: Session,
    /// The number and the time of its last event.
    pub last_event: Option<(i64, Timestamp)>,
}

/// The result of an import of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was stored, or it would be.
    Created,
    /// All of it existed.
    Existing,
    /// Something else has its place. Nothing was changed.
    Conflict(&'static str),
}

/// The imports of one organization.
pub struct Imports<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn imports(&self) -> Imports<'_> {
        Imports(self)
    }
}

impl Imports<'_> {
    /// Stores what does not exist of a part, durably.
    ///
    /// # Errors
    /// [`StoreError::StorageFull`] when the organization's storage quota is used up, [`StoreError::Unavailable`] when the
    /// database cannot be reached.
    pub async fn write(&self, part: &ImportedPart) -> Result<ImportOutcome, StoreError> {
        self.0.has_room()?;
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let (outcome, bytes) = self.write_within(&mut transaction, part).await?;
        match outcome {
            ImportOutcome::Created | ImportOutcome::Existing => transaction.commit().await?,
            // The transaction is rolled back.
            ImportOutcome::Conflict(_) => return Ok(outcome),
        }
        self.0.stored(bytes);
        Ok(outcome)
    }

    /// Returns what an import of a part would result in, and changes nothing.
    ///
    /// # Errors
    /// The same as those of [`Imports::write`].
    pub async fn preview(&self, part: &ImportedPart) -> Result<ImportOutcome, StoreError> {
        self.0.has_room()?;
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        Ok(self.write_within(&mut transaction, part).await?.0)
    }

    /// Returns the outcome, and how many bytes were added.
    async fn write_within(
        &self,
        transaction: &mut PooledTransaction,
        part: &ImportedPart,
    ) -> Result<(ImportOutcome, usize), StoreError> {
        let conflict = |detail| Ok((ImportOutcome::Conflict(detail), 0));
        let key = RowKey::new(self.0.org, part.dialect, part.id);
        let traces: BTreeSet<_> =
            part.events.iter().filter_map(|imported| Some((self.0.org, imported.span.as_ref()?.trace))).collect();
        if !traces.is_empty() {
            lock_traces(transaction, &traces.into_iter().collect::<Vec<_>>()).await?;
        }
        let mut bytes = 0;
        let mut is_new = false;
        if let Some(imported) = &part.session {
            is_new = insert_session(transaction, key, imported).await?;
            if is_new {
                bytes += bytes_of(&imported.session);
                self.reserve_number(transaction, part).await?;
            }
        }
        let counter = counter(transaction, key).await?;
        if !is_new {
            let Some(row) = SessionRow::read(transaction, &[key]).await?.remove(&key) else {
                return conflict("The session of this line does not exist.");
            };
            if let Some(imported) = &part.session
                && (!is_same(&imported.session, &row.try_into()?) || imported.last_event != counter)
            {
                return conflict("Another session has this id, or the session has changed since it was exported.");
            }
        }
        let last = counter.map_or(0, |(number, _)| number);
        if part.events.iter().any(|imported| imported.event.number > last) {
            return conflict("An event has a number after the session's last one.");
        }
        let existing = existing_events(transaction, key, &part.events).await?;
        let mut missing: Vec<&ImportedEvent> = Vec::new();
        for imported in &part.events {
            match existing.get(&imported.event.number) {
                None => missing.push(imported),
                Some(event) if *event == imported.event => {}
                Some(_) => return conflict("The session has another event with this number."),
            }
        }
        if !missing.is_empty() {
            if !self.insert_events(transaction, key, part, &missing).await? {
                return conflict("Another event has the id of one of these events.");
            }
            bytes += missing.iter().map(|imported| bytes_of_event(&imported.event)).sum::<usize>();
        }
        let spans = placed_spans(part);
        let mut has_new_spans = false;
        if !spans.is_empty() {
            has_new_spans = write_carried(transaction, self.0.org, &spans).await? > 0;
            if has_new_spans {
                bytes += spans.iter().map(|placed| placed.span.facts.bytes()).sum::<usize>();
            }
        }
        let has_changed = is_new || !missing.is_empty() || has_new_spans;
        Ok((if has_changed { ImportOutcome::Created } else { ImportOutcome::Existing }, bytes))
    }

    /// Inserts events. Returns `false` if another event has the id of one of them.
    async fn insert_events(
        &self,
        transaction: &mut PooledTransaction,
        key: RowKey,
        part: &ImportedPart,
        missing: &[&ImportedEvent],
    ) -> Result<bool, StoreError> {
        let captures: Vec<CaptureRequest> =
            missing.iter().filter_map(|imported| capture(self.0.org, part, imported)).collect();
        let captures: Vec<&CaptureRequest> = captures.iter().collect();
        if !captures.is_empty() && take_in(transaction, &captures).await?.len() < captures.len() {
            return Ok(false);
        }
        let events: Vec<(RowKey, &Event)> = missing.iter().map(|imported| (key, &imported.event)).collect();
        if insert(transaction, &events).await? < events.len() as u64 {
            return Ok(false);
        }
        if !captures.is_empty() {
            Totals::of(&captures).add(transaction).await?;
            add_to_search(transaction, &captures).await?;
        }
        Ok(true)
    }

    /// Keeps the integer of a session from being given to another one.
    async fn reserve_number(&self, transaction: &mut PooledTransaction, part: &ImportedPart) -> Result<(), StoreError> {
        let number =
            part.session.as_ref().and_then(|imported| imported.session.public_id.parse::<SessionNumber>().ok());
        let (DialectName::IntegerId, Some(number)) = (part.dialect, number) else { return Ok(()) };
        let next = sqlx::query_scalar!(
            "SELECT next_number FROM number_blocks WHERE org_id = $1 AND series = $2",
            self.0.org.0,
            Series::Sessions.code()
        )
        .fetch_optional(&mut **transaction)
        .await?;
        if next.is_some_and(|next| next > number.get()) {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, $3)
                 ON CONFLICT (org_id, series)
                 DO UPDATE SET next_number = GREATEST(number_blocks.next_number, EXCLUDED.next_number)",
            self.0.org.0,
            Series::Sessions.code(),
            number.get() + 1
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }
}

fn bytes_of(session: &Session) -> usize {
    let texts = [&session.kind, &session.user_id, &session.name, &session.description];
    let metadata = session.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    session.public_id.len() + session.detail.as_str().len() + metadata + texts
}

fn bytes_of_event(event: &Event) -> usize {
    let texts = [&event.public_id, &event.author_id, &event.content];
    event.kind.len() + event.payload.as_str().len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

/// Returns whether a stored session is the imported one.
fn is_same(imported: &Session, stored: &Session) -> bool {
    let stored = Session { nonce: imported.nonce, turn: imported.turn, ..stored.clone() };
    *imported == stored
}

/// Returns the capture of an event, as it is summed up and searched.
fn capture(org: crate::domain::OrgId, part: &ImportedPart, imported: &ImportedEvent) -> Option<CaptureRequest> {
    let (facts, grams) = imported.captured.clone()?;
    let event = &imported.event;
    let session = NewSession::of(part.dialect, part.id, String::new(), event.created_at, Uuid::nil());
    let new = NewEvent { author_id: event.author_id.clone(), ..NewEvent::of(event.id, &event.kind, event.created_at) };
    let facts = CaptureFacts {
        at: facts.at,
        name: event.author_id.clone().unwrap_or_default(),
        success: facts.success,
        latency_ms: facts.latency_ms,
        is_timed: !facts.untimed,
    };
    Some(CaptureRequest { org, used_by: None, capture: NewCapture { session, event: new, facts, grams } })
}

/// Returns the spans of a part. Each is assigned as its event is.
fn placed_spans(part: &ImportedPart) -> Vec<PlacedSpan<'_>> {
    let spans = part.events.iter().filter_map(|ImportedEvent { event, span, .. }| {
        let (kind, name) = (&event.kind, event.author_id.as_deref().unwrap_or_default());
        Some(PlacedSpan { span: span.as_ref()?, session: part.id, kind, name })
    });
    spans.collect()
}

/// Inserts a session and its counter. Returns `false` if one with its id exists.
async fn insert_session(
    connection: &mut PgConnection,
    key: RowKey,
    imported: &ImportedSession,
) -> Result<bool, sqlx::Error> {
    let session = &imported.session;
    let inserted = sqlx::query!(
        "INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, enabled, kind, user_id, name,
                               description, metadata, detail, created_at, updated_at, expires_at, ended_at,
                               expiry_reported_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::json, $13::text::json, $14, $15, $16, $17, $18)
             ON CONFLICT (org_id, dialect, session_id) DO NOTHING",
        key.org.0,
        key.dialect,
        key.id.0,
        session.agent.map(|agent| agent.0),
        session.public_id,
        session.nonce,
        session.enabled,
        session.kind,
        session.user_id,
        session.name,
        session.description,
        session.metadata.as_ref().map(JsonText::as_str),
        session.detail.as_str(),
        session.created_at,
        session.updated_at,
        session.expires_at,
        session.ended_at,
        session.expiry_reported_at
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if inserted == 0 {
        return Ok(false);
    }
    if let Some((number, at)) = imported.last_event {
        // An erasure may have left the counter of an earlier session with this id.
        sqlx::query!(
            "INSERT INTO session_counters AS c (org_id, dialect, session_id, last_number, last_at)
             VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (org_id, dialect, session_id)
                 DO UPDATE SET last_number = GREATEST(c.last_number, EXCLUDED.last_number),
                               last_at = GREATEST(c.last_at, EXCLUDED.last_at)",
            key.org.0,
            key.dialect,
            key.id.0,
            number,
            at
        )
        .execute(connection)
        .await?;
    }
    Ok(true)
}

/// Returns the number and the time of a session's last event, and locks its counter. A session that was deleted has none, as
/// in an export.
async fn counter(connection: &mut PgConnection, key: RowKey) -> Result<Option<(i64, Timestamp)>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT last_number, last_at FROM session_counters c
          WHERE org_id = $1 AND dialect = $2 AND session_id = $3
            AND NOT EXISTS (SELECT FROM session_erasures gone
                             WHERE gone.org_id = $1 AND gone.dialect = $2 AND gone.session_id = $3)
            FOR UPDATE OF c",
        key.org.0,
        key.dialect,
        key.id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.last_number, row.last_at)))
}

/// Returns the stored events with the numbers of these.
async fn existing_events(
    connection: &mut PgConnection,
    key: RowKey,
    events: &[ImportedEvent],
) -> Result<HashMap<i64, Event>, StoreError> {
    let numbers: Vec<i64> = events.iter().map(|imported| imported.event.number).collect();
    let rows = sqlx::query_as!(
        EventRow,
        r#"SELECT e.org_id AS "org_id!", e.dialect AS "dialect!", e.session_id AS "session_id!", e.number AS "number!",
                  e.event_id AS "event_id!", e.public_id, e.parent_id, e.kind AS "kind!", e.author_id, e.content,
                  e.payload::text AS "payload!", e.hidden AS "hidden!", e.created_at AS "created_at!"
             FROM UNNEST($4::bigint[]) AS wanted (number)
            CROSS JOIN LATERAL (SELECT * FROM session_events
                                 WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND number = wanted.number
                                 LIMIT 1) e"#,
        key.org.0,
        key.dialect,
        key.id.0,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Ok((row.number, Event::try_from(row)?))).collect()
}
