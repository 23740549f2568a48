//! Sessions of one organization.

mod across;
mod across_sql;
mod across_user;
mod aliases;
mod appends;
mod change;
mod changing;
mod create;
mod erasures;
mod filter_sql;
mod find;
mod fork;
mod list;
mod open;
mod participants;
mod query;
mod row;
mod row_key;
mod rule;
mod sql;
mod text;
mod under_agent;
mod unlocked;
mod window;
mod write;

pub use across::{AcrossCursor, CreationOrder, Examined, SessionFilter, Walk};
pub(super) use aliases::{delete as delete_aliases, replace as replace_aliases};
pub use appends::Appends;
pub(super) use change::ChangeSessions;
pub(super) use create::{CreateSessions, Request as CreateRequest, insert};
pub(super) use find::FindSessions;
pub use fork::{CopiedEvents, CopySize, Fork, Forked, MAX_COPIED_BYTES, MAX_COPIED_EVENTS};
pub use list::{SessionPage, SessionStretch};
pub use open::{Among, Census};
pub use participants::Participants;
pub(super) use participants::ParticipantsCache;
pub use query::{SessionCursor, SessionOrder, SessionQuery, UPDATED_WINDOW, WINDOW};
pub use row::SessionRow;
pub(super) use row_key::{KeyColumns, RowKey};
pub use rule::{AppendingChange, Changed, SessionChange};
pub use text::TextMatch;
pub use under_agent::{HEADING_CHARS, Heading, INDEX_TIMEOUT, MAX_REQUIRED};
pub(super) use window::{Window, WindowKey};

use uuid::Uuid;

use super::events::Events;
use super::{StoreError, TenantStore, scope};
use crate::domain::{DialectName, NewSession, Session, SessionId};

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

/// The sessions of one organization.
pub struct Sessions<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }
}

impl<'s> Sessions<'s> {
    /// Creates a session, durably, unless one with the same dialect and id exists or its agent does not. Stores whose
    /// session it is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the queue is full, [`StoreError::OrgBusy`] when the organization's share of it is,
    /// [`StoreError::StorageFull`] when the organization's storage quota is used up, [`StoreError::Unavailable`] when
    /// the database cannot be reached.
    pub async fn create(&self, mut session: NewSession) -> Result<Created, StoreError> {
        self.0.has_room()?;
        let user = session.user();
        if !session.dialect.has_user_field() {
            session.user_id = user.id;
        }
        let request = create::Request { org: self.0.org, session, aliases: user.aliases, used_by: self.0.key() };
        let created = self.0.groups().create_sessions.submit(request).await;
        self.0.note_result(&created, |created| matches!(created, Created::New | Created::Recovered(_)));
        created
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

    /// Returns a change of the session of this dialect with this id, to be applied by a rule:
    /// `sessions.change(key, nonce).appending(appends).apply(rule)`.
    ///
    /// `nonce` is drawn once per change, so that a change which was made by a COMMIT whose response was lost is not made
    /// twice. (A change that appends nothing is made twice if, after such a COMMIT, another replica changed the session
    /// before this one asked again.)
    pub fn change(&self, (dialect, id): (DialectName, SessionId), nonce: Uuid) -> SessionChange<'s> {
        SessionChange::new(self.0, RowKey::new(self.0.org, dialect, id), nonce)
    }

    /// Returns whether the organization is under a legal hold, so that nothing of it must be deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn is_held(&self) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let held = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM legal_holds WHERE org_id = $1) AS "held!""#,
            self.0.org.0
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(held)
    }

    /// Returns the events of a session.
    #[must_use]
    pub fn events(&self, session: &Session) -> Events<'s> {
        Events::new(self.0, session)
    }
}
