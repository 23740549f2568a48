//! Sessions of one organization.

mod create;
mod find;
mod row;

pub(super) use create::CreateSessions;
pub(super) use find::FindSessions;
pub use row::SessionRow;

use super::{StoreError, TenantStore, scope};
use crate::domain::{DialectName, NewSession, OrgId, Session, SessionId, Timestamp};

/// Where a session's row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RowKey {
    pub org: OrgId,
    pub dialect: i16,
    pub id: SessionId,
}

impl RowKey {
    fn new(org: OrgId, dialect: DialectName, id: SessionId) -> Self {
        Self { org, dialect: dialect.code(), id }
    }

    /// The same session always goes to the same task. The UUID's last bytes are random in every dialect's ids.
    fn route(&self) -> u64 {
        let bits = self.id.0.as_u128();
        (bits ^ bits >> 64) as u64 ^ self.org.0.as_u128() as u64
    }
}

/// What became of a create.
#[derive(Debug, PartialEq)]
pub enum Created {
    /// The session is there and this call made it.
    New,
    /// A session stood under the same id; nothing was changed.
    Existing(Box<Session>),
    /// The agent is not, or no longer, there.
    NoSuchAgent,
}

/// The sessions of one organization.
pub struct Sessions<'s>(pub(super) &'s TenantStore);

impl Sessions<'_> {
    /// Writes a new session, durably, unless one of the same dialect and id is there or its agent is gone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too much is waiting, [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn create(&self, session: NewSession) -> Result<Created, StoreError> {
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

    /// Notes that a caller is being told of the session's expiry. True for the first to ask, of all replicas.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn tell_expiry(&self, session: &Session, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let told = sqlx::query!(
            "UPDATE sessions SET expiry_told_at = $4
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND expiry_told_at IS NULL",
            self.0.org.0,
            session.dialect.code(),
            session.id.0,
            now
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(told == 1)
    }
}
