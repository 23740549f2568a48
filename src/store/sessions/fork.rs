//! Copies conversations from one session into another, inside Postgres.
//!
//! The copied events do not pass through this process, so a copy costs a few statements, however large it is. The
//! counted bytes are stored bytes, compressed if Postgres compresses them, because that is what a copy reads and
//! writes.

use sqlx::PgConnection;
use uuid::Uuid;

use super::changing::ChangingSession;
use super::{RowKey, SessionRow, Sessions};
use crate::domain::event::Numbering;
use crate::domain::{DialectName, NewEvent, Session, SessionId, Timestamp};
use crate::store::{StoreError, events, scope};

/// Limit of the events of one copy.
pub const MAX_COPIED_EVENTS: i64 = 5_000;
/// Limit of the stored bytes of one copy.
pub const MAX_COPIED_BYTES: i64 = 16 * 1024 * 1024;
/// Attempts at a fork. Each checks whether the one before was committed.
const ATTEMPTS: usize = 2;

/// The visible events of a session to copy: those after number `after`, up to number `through`.
#[derive(Clone, Copy, Debug)]
pub struct CopiedEvents {
    pub session: SessionId,
    pub after: i64,
    pub through: i64,
}

impl CopiedEvents {
    /// Returns those of the events that have at most this number.
    fn up_to(self, number: i64) -> Self {
        Self { through: self.through.min(number), ..self }
    }
}

/// The size of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopySize {
    /// Up to one more than [`MAX_COPIED_EVENTS`].
    pub events: i64,
    pub bytes: i64,
}

impl CopySize {
    #[must_use]
    pub fn has_too_many_events(self) -> bool {
        self.events > MAX_COPIED_EVENTS
    }

    #[must_use]
    pub fn has_too_many_bytes(self) -> bool {
        self.bytes > MAX_COPIED_BYTES
    }
}

/// The result of a fork.
#[derive(Debug)]
pub enum Forked {
    Opened(Box<Session>),
    /// The rule did not let it open.
    NotOpened(Box<Session>),
    /// The source has grown beyond the limits of one copy.
    TooLarge,
    /// The session does not exist.
    NoSuchSession,
}

/// A fork: a session that is opened with its own first event and a copy of events.
pub struct Fork<'f> {
    pub target: SessionId,
    /// Drawn once per fork, so that a committed attempt is not made again.
    pub nonce: Uuid,
    /// The event before the copied ones.
    pub first: Option<NewEvent>,
    pub copied: CopiedEvents,
    pub at: Timestamp,
    /// Opens the session, which is locked. Returns `false` if it must not be opened.
    pub opens: &'f (dyn Fn(&mut Session) -> bool + Send + Sync),
}

impl Sessions<'_> {
    /// Returns the size of a copy of events in the `agent_key` dialect.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn copy_size(&self, copied: CopiedEvents) -> Result<CopySize, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let size =
            size_of(&mut transaction, RowKey::new(self.0.org, DialectName::AgentKey, copied.session), copied).await?;
        transaction.commit().await?;
        Ok(size)
    }

    /// Copies events into a session of the `agent_key` dialect and opens it in one transaction, so that an open session
    /// is complete. The copies are separate events with new ids, numbered after the session's existing ones.
    ///
    /// # Errors
    /// [`StoreError::StorageFull`] when the organization's quota is used up; [`StoreError::Unavailable`] when the
    /// database cannot be reached.
    pub async fn fork(&self, fork: &Fork<'_>) -> Result<Forked, StoreError> {
        self.0.has_room()?;
        let mut attempt = 1;
        loop {
            match self.fork_once(fork).await {
                Err(StoreError::Unavailable) if attempt < ATTEMPTS => attempt += 1,
                result => {
                    self.0.note_result(&result, |forked| matches!(forked, Forked::Opened(_)));
                    return result;
                }
            }
        }
    }

    async fn fork_once(&self, fork: &Fork<'_>) -> Result<Forked, StoreError> {
        let key = |id| RowKey::new(self.0.org, DialectName::AgentKey, id);
        let (target, source) = (key(fork.target), key(fork.copied.session));
        // Locks in the order of every writer: the session, its counter, its events. Only of the fork: the source is read
        // up to its last number at the beginning, without a lock, so that messages to it do not wait for the copy.
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let Some(row) = SessionRow::lock(&mut transaction, &[target]).await?.remove(&target) else {
            return Ok(Forked::NoSuchSession);
        };
        let is_made = row.last_change == Some(fork.nonce);
        let before = Session::try_from(row)?;
        if is_made {
            return Ok(Forked::Opened(Box::new(before)));
        }
        let mut locked = ChangingSession {
            now: before.clone(),
            before,
            last_change: Some(fork.nonce),
            takes_turn: false,
            erased_by: None,
        };
        if !(fork.opens)(&mut locked.now) {
            return Ok(Forked::NotOpened(Box::new(locked.now)));
        }
        let copied = fork.copied.up_to(last_number(&mut transaction, source).await?);
        let size = size_of(&mut transaction, source, copied).await?;
        if size.has_too_many_events() || size.has_too_many_bytes() {
            return Ok(Forked::TooLarge);
        }
        let mut numberings = events::numberings(&mut transaction, &[target]).await?;
        let numbering = numberings.entry(target).or_insert(Numbering::START);
        let first = fork.first.clone().map(|event| {
            let (number, at) = numbering.next(event.at);
            event.numbered(number, at)
        });
        // The copies follow it, one millisecond apart.
        let mut behind = *numbering;
        let (number, at) = behind.next(fork.at);
        let copied = copy(&mut transaction, (source, target), copied, (number, at)).await?;
        if copied > 0 {
            numbering.last_number = number + copied - 1;
            numbering.last_at = Some(at + chrono::TimeDelta::milliseconds(copied - 1));
        }
        if numbering.last_number > 0 {
            let first: Vec<_> = first.iter().map(|event| (target, event)).collect();
            events::append(&mut transaction, &first, &numberings).await?;
        }
        super::write::write(&mut transaction, &[(target, &locked)]).await?;
        transaction.commit().await?;
        self.0.stored(usize::try_from(size.bytes).unwrap_or_default());
        Ok(Forked::Opened(Box::new(locked.now)))
    }
}

/// Returns the number of a session's last event. Later events have higher numbers, so that those up to it stay the same
/// while a copy is made, except for events that are hidden or deleted meanwhile.
async fn last_number(connection: &mut PgConnection, source: RowKey) -> Result<i64, sqlx::Error> {
    let number = sqlx::query_scalar!(
        "SELECT last_number FROM session_counters WHERE org_id = $1 AND dialect = $2 AND session_id = $3",
        source.org.0,
        source.dialect,
        source.id.0
    );
    Ok(number.fetch_optional(connection).await?.unwrap_or_default())
}

async fn size_of(connection: &mut PgConnection, source: RowKey, copied: CopiedEvents) -> Result<CopySize, sqlx::Error> {
    sqlx::query_as!(
        CopySize,
        r#"SELECT count(*) AS "events!",
                  COALESCE(sum(pg_column_size(payload) + COALESCE(pg_column_size(content), 0)), 0)::bigint AS "bytes!"
             FROM (SELECT payload, content FROM session_events
                    WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND NOT hidden
                      AND number > $4 AND number <= $5
                    ORDER BY number LIMIT $6) AS copied"#,
        source.org.0,
        source.dialect,
        source.id.0,
        copied.after,
        copied.through,
        MAX_COPIED_EVENTS + 1
    )
    .fetch_one(connection)
    .await
}

/// Copies visible events, the first of them under this number and time. Returns how many there were.
async fn copy(
    connection: &mut PgConnection,
    (source, target): (RowKey, RowKey),
    copied: CopiedEvents,
    (number, at): (i64, Timestamp),
) -> Result<i64, sqlx::Error> {
    let written = sqlx::query!(
        "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, author_id, content, payload,
                                     hidden, created_at)
         SELECT org_id, dialect, $6, $7::bigint + place, gen_random_uuid(), kind, author_id, content, payload, false,
                $8::timestamptz + place * interval '1 millisecond'
           FROM (SELECT org_id, dialect, kind, author_id, content, payload,
                        row_number() OVER (ORDER BY number) - 1 AS place
                   FROM session_events
                  WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND NOT hidden
                    AND number > $4 AND number <= $5
                  ORDER BY number LIMIT $9) AS copied",
        source.org.0,
        source.dialect,
        source.id.0,
        copied.after,
        copied.through,
        target.id.0,
        number,
        at,
        MAX_COPIED_EVENTS
    )
    .execute(connection)
    .await?
    .rows_affected();
    Ok(i64::try_from(written).unwrap_or(i64::MAX))
}
