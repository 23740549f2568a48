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

/// The primary key of a session's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RowKey {
    pub org: OrgId,
    pub dialect: i16,
    pub id: SessionId,
}

/// The columns of a statement's list of keys.
pub(super) struct KeyColumns {
    pub orgs: Vec<Uuid>,
    pub dialects: Vec<i16>,
    pub ids: Vec<Uuid>,
}

impl RowKey {
    pub fn new(org: OrgId, dialect: DialectName, id: SessionId) -> Self {
        Self { org, dialect: dialect.code(), id }
    }

    /// Returns the key from the columns of a row.
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

    /// Returns the route of a session, so that the same task always handles it. The last bytes of the UUID are random
    /// in every dialect's ids.
    pub fn route(&self) -> u64 {
        let bits = self.id.0.as_u128();
        (bits ^ bits >> 64) as u64 ^ self.org.0.as_u128() as u64
    }
}

/// The result of a create.
#[derive(Debug, PartialEq)]
pub enum Created {
    /// The session exists, and this call created it.
    New,
    /// The session exists, and an earlier attempt at this call created it.
    Recovered(Box<Session>),
    /// A session with the same id existed before. Nothing was changed.
    Existing(Box<Session>),
    /// The agent does not exist or is deleted.
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

    /// Returns the events of a change that appends nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }
}

/// A session after a change.
#[derive(Debug)]
pub struct Changed<T> {
    pub session: Session,
    /// The events that the change appended.
    pub events: Vec<Event>,
    /// The result of the rule; `None` when an earlier attempt made this change, of which only the events are known.
    pub outcome: Option<T>,
}

/// The sessions of one organization.
pub struct Sessions<'s>(pub(super) &'s TenantStore);

impl Sessions<'_> {
    /// Creates a session, durably, unless one with the same dialect and id exists or its agent does not.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the queue is full, [`StoreError::OrgBusy`] when the organization's share of it is,
    /// [`StoreError::StorageFull`] when the organization's storage quota is used up, [`StoreError::Unavailable`] when
    /// the database cannot be reached.
    pub async fn create(&self, session: NewSession) -> Result<Created, StoreError> {
        self.0.has_room()?;
        self.0.groups().create_sessions.submit(create::Request { org: self.0.org, session }).await
    }

    /// Returns the session of this dialect with this id.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the queue is full, [`StoreError::OrgBusy`] when the organization's share of it is,
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, dialect: DialectName, id: SessionId) -> Result<Option<Session>, StoreError> {
        let row = self.0.groups().find_sessions.submit(RowKey::new(self.0.org, dialect, id)).await?;
        row.map(Session::try_from).transpose()
    }

    /// Changes the session of this dialect with this id by a rule, durably, and appends the rule's events. Returns
    /// `None` when there is no such session.
    ///
    /// The rule gets the current session, under a lock, so that concurrent changes from any number of replicas are
    /// applied one after another. Changes that it makes to the session's names and its start are ignored. It may run
    /// again after a lost connection.
    ///
    /// `nonce` is drawn once per change, and `appends` has the events that the rule may append, so that a change whose
    /// COMMIT was not confirmed is not made twice. (A change that appends nothing is made twice if, after such a
    /// COMMIT, another replica changes the session before this one tries again.)
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the queue is full, [`StoreError::OrgBusy`] when the organization's share of it is,
    /// [`StoreError::StorageFull`] when something is to be appended and the organization's storage quota is used up,
    /// [`StoreError::Unavailable`] when the database cannot be reached.
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

    /// Returns the events of a session.
    #[must_use]
    pub fn events(&self, session: &Session) -> Events<'_> {
        Events::new(self.0, session)
    }
}
