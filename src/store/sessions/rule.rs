//! A change of one session: `sessions.change(key, nonce).appending(appends).apply(rule)`.
//!
//! The rule gets the current session: of several changes at once, from any number of replicas, each sees the result of the
//! one before. What it makes of the fields that name the session and its beginning is ignored. It may run again, where
//! another change came first or a connection was lost.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::appends::Appends;
use super::change::Request;
use super::row_key::RowKey;
use crate::domain::{Event, NewEvent, Session};
use crate::store::{StoreError, TenantStore};

/// A session after a change.
#[derive(Debug)]
pub struct Changed<T> {
    pub session: Session,
    /// The events that the change appended.
    pub events: Vec<Event>,
    /// The result of the rule; `None` when an earlier attempt made this change, of which only the events are known.
    pub outcome: Option<T>,
}

/// A change that is not applied yet.
#[must_use]
pub struct SessionChange<'s> {
    store: &'s TenantStore,
    key: RowKey,
    nonce: Uuid,
}

/// A change that may append events.
#[must_use]
pub struct AppendingChange<'s> {
    change: SessionChange<'s>,
    appends: Appends,
}

impl<'s> SessionChange<'s> {
    pub(super) fn new(store: &'s TenantStore, key: RowKey, nonce: Uuid) -> Self {
        Self { store, key, nonce }
    }

    /// Names the events that the rule may append, so that the change is recognized if it was made before.
    pub fn appending(self, appends: Appends) -> AppendingChange<'s> {
        AppendingChange { change: self, appends }
    }

    /// Changes the session durably. Returns `None` if there is no such session.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the queue is full, [`StoreError::OrgBusy`] when the organization's share of it is,
    /// [`StoreError::StorageFull`] when the storage quota is used up and the session's texts would become longer,
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn apply<T: Send + 'static>(
        self,
        rule: impl Fn(&mut Session) -> T + Send + Sync + 'static,
    ) -> Result<Option<Changed<T>>, StoreError> {
        self.appending(Appends::nothing()).apply(move |session| (rule(session), Vec::new())).await
    }
}

impl AppendingChange<'_> {
    /// Changes the session durably, and appends the events that the rule returns. Returns `None` if there is no such
    /// session.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too much is waiting, [`StoreError::StorageFull`] when the storage quota is used up and
    /// the change would add events or make the session's texts longer, [`StoreError::Unavailable`] when the database
    /// cannot be reached.
    pub async fn apply<T: Send + 'static>(
        self,
        rule: impl Fn(&mut Session) -> (T, Vec<NewEvent>) + Send + Sync + 'static,
    ) -> Result<Option<Changed<T>>, StoreError> {
        let Self { change: SessionChange { store, key, nonce }, appends } = self;
        if !appends.ids.is_empty() {
            store.has_room()?;
        }
        let decided = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&decided);
        let rule = move |session: &mut Session| {
            let (outcome, events) = rule(session);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            events
        };
        let may_grow = store.has_room().is_ok();
        let request =
            Request::new(key, nonce, appends, may_grow, Box::new(rule), store.shared_actor()).used_by(store.key());
        let answer = store.groups().change_sessions.submit(request).await;
        store.note_result(&answer, |answer| answer.as_ref().is_some_and(|answer| answer.is_made));
        let Some(answer) = answer? else { return Ok(None) };
        if answer.is_over_quota {
            return Err(StoreError::StorageFull);
        }
        let outcome = decided.lock().unwrap_or_else(PoisonError::into_inner).take().filter(|_| answer.is_own);
        Ok(Some(Changed { session: answer.session, events: answer.events, outcome }))
    }
}
