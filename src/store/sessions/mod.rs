//! Sessions of one organization.

mod change;
mod create;
mod filter_sql;
mod find;
mod fork;
mod list;
mod open;
mod row;
mod sql;
mod under_agent;
mod window;

pub(super) use change::ChangeSessions;
pub(super) use create::{CreateSessions, Request as CreateRequest, insert};
pub(super) use find::FindSessions;
pub use fork::{CopiedEvents, CopySize, Fork, Forked, MAX_COPIED_BYTES, MAX_COPIED_EVENTS};
pub use list::{SessionCursor, SessionOrder, SessionPage, SessionQuery, SessionStretch, UPDATED_WINDOW, WINDOW};
pub use open::{Among, Census};
pub use row::SessionRow;
pub use under_agent::{HEADING_CHARS, Heading, INDEX_TIMEOUT, MAX_REQUIRED};
pub(super) use window::{Window, WindowKey};

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::events::Events;
use super::{StoreError, TenantStore};
use crate::domain::{DialectName, Event, EventId, NewEvent, NewSession, OrgId, Session, SessionId};

/// Where a session's row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RowKey {
    pub org: OrgId,
    pub dialect: i16,
    pub id: SessionId,
}

/// Keys as the columns of a statement.
pub(super) struct KeyColumns {
    pub orgs: Vec<Uuid>,
    pub dialects: Vec<i16>,
    pub ids: Vec<Uuid>,
}

impl RowKey {
    pub fn new(org: OrgId, dialect: DialectName, id: SessionId) -> Self {
        Self { org, dialect: dialect.code(), id }
    }

    /// The key as it stands in a row.
    pub fn of(org: Uuid, dialect: i16, id: Uuid) -> Self {
        Self { org: OrgId(org), dialect, id: SessionId(id) }
    }

    pub fn columns<'k>(keys: impl IntoIterator<Item = &'k Self> + Clone) -> KeyColumns {
        let keys = || keys.clone().into_iter();
        KeyColumns {
            orgs: keys().map(|key| key.org.0).collect(),
            dialects: keys().map(|key| key.dialect).collect(),
            ids: keys().map(|key| key.id.0).collect(),
        }
    }

    /// The same session always goes to the same task. The UUID's last bytes are random in every dialect's ids.
    pub fn route(&self) -> u64 {
        let bits = self.id.0.as_u128();
        (bits ^ bits >> 64) as u64 ^ self.org.0.as_u128() as u64
    }
}

/// What became of a create.
#[derive(Debug, PartialEq)]
pub enum Created {
    /// The session is there and this call made it.
    New,
    /// The session is there, as it stands, and an earlier attempt at this very call made it.
    Recovered(Box<Session>),
    /// A session stood under the same id; nothing was changed.
    Existing(Box<Session>),
    /// The agent is not, or no longer, there.
    NoSuchAgent,
}

/// The events that a change may append: their ids, and how many bytes they have together.
#[derive(Clone, Debug, Default)]
pub struct Appends {
    ids: Vec<EventId>,
    bytes: usize,
}

impl Appends {
    #[must_use]
    pub fn of<'e>(events: impl IntoIterator<Item = &'e NewEvent>) -> Self {
        events.into_iter().fold(Self::default(), |mut appends, event| {
            appends.ids.push(event.id);
            appends.bytes += event.bytes();
            appends
        })
    }

    /// Returns those of a change that appends nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }
}

/// A session after a change.
#[derive(Debug)]
pub struct Changed<T> {
    pub session: Session,
    /// What the change appended.
    pub events: Vec<Event>,
    /// What the rule decided; `None` when this change was made before, by an attempt of which only its events are
    /// known.
    pub outcome: Option<T>,
}

/// The sessions of one organization.
pub struct Sessions<'s>(pub(super) &'s TenantStore);

impl Sessions<'_> {
    /// Writes a new session, durably, unless one of the same dialect and id is there or its agent is gone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too much is waiting, [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn create(&self, session: NewSession) -> Result<Created, StoreError> {
        self.0.has_room()?;
        self.0.groups().create_sessions.submit(create::Request { org: self.0.org, session }).await
    }

    /// The session of this dialect with this id.
    ///
    /// # Errors
    /// As for [`Sessions::create`].
    pub async fn find(&self, dialect: DialectName, id: SessionId) -> Result<Option<Session>, StoreError> {
        let row = self.0.groups().find_sessions.submit(RowKey::new(self.0.org, dialect, id)).await?;
        row.map(Session::try_from).transpose()
    }

    /// Changes the session of this dialect with this id by a rule, durably, and appends what the rule says; `None`
    /// when there is no such session.
    ///
    /// The rule is given the session as it stands, under a lock: of several changes at once, from any number of
    /// replicas, each sees the result of the one before. What it makes of the fields that name the session and its
    /// beginning is ignored. It may run again where a connection was lost.
    ///
    /// `nonce` is drawn once per change, and `appends` names the events that the rule may append, so that a change
    /// which was made by a COMMIT whose answer was lost is not made twice. (A change that appends nothing is made twice
    /// if, after such a COMMIT, another replica changed the session before this one asked again.)
    ///
    /// # Errors
    /// As for [`Sessions::create`].
    pub async fn change<T: Send + 'static>(
        &self,
        (dialect, id): (DialectName, SessionId),
        nonce: Uuid,
        appends: Appends,
        rule: impl Fn(&mut Session) -> (T, Vec<NewEvent>) + Send + Sync + 'static,
    ) -> Result<Option<Changed<T>>, StoreError> {
        if !appends.ids.is_empty() {
            self.0.has_room()?;
        }
        let decided = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&decided);
        let rule = move |session: &mut Session| {
            let (outcome, events) = rule(session);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            events
        };
        let key = RowKey::new(self.0.org, dialect, id);
        let request = change::Request::new(key, nonce, appends, Box::new(rule));
        let Some(answer) = self.0.groups().change_sessions.submit(request).await? else { return Ok(None) };
        let outcome = decided.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(Some(Changed { session: answer.session, events: answer.events, outcome }))
    }

    /// The events of a session.
    #[must_use]
    pub fn events(&self, session: &Session) -> Events<'_> {
        Events::new(self.0, session)
    }
}
