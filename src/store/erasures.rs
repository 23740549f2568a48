//! Erasures that an organization requests itself, and its receipts. A worker carries them out
//! (`store/admin/erasures`).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::admin::{ErasureStep, NewErasure, Receipt, Subject, receipt};
use super::audit::{self, Entry};
use super::{StoreError, TenantStore, scope};
use crate::domain::erasure::subject_hash;
use crate::domain::{Action, ErasureId, ErasureScope, Timestamp};

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureRequested {
    /// This call stored it.
    New,
    /// An earlier attempt at this call stored it.
    Existing,
    /// The organization is under a legal hold. Nothing was stored.
    LegalHold,
}

/// An erasure's position among those of its organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureCursor {
    pub requested_at: Timestamp,
    pub id: Uuid,
}

/// The erasures of one organization.
pub struct Erasures<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn erasures(&self) -> Erasures<'_> {
        Erasures(self)
    }
}

impl Erasures<'_> {
    /// Stores a request to erase a user or a session, durably.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached. The database rejects [`Subject::Organization`].
    pub async fn request(&self, new: &NewErasure<'_>) -> Result<ErasureRequested, StoreError> {
        let (scope, subject) = match new.subject {
            Subject::User(user) => (ErasureScope::User, Some(user.as_str())),
            Subject::Session { public_id, .. } => (ErasureScope::Session, Some(public_id.as_str())),
            Subject::Organization => (ErasureScope::Organization, None),
        };
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let inserted = sqlx::query!(
            "INSERT INTO erasures (org_id, erasure_id, scope, subject, subject_hash, requested_at, step, due_at)
             SELECT $1, $2, $3, $4, $5, $6, $7::text::json, $6
              WHERE NOT EXISTS (SELECT FROM legal_holds WHERE org_id = $1)
                 ON CONFLICT (org_id, erasure_id) DO NOTHING",
            self.0.org.0,
            new.id.0,
            scope.code(),
            subject,
            subject.map(|subject| subject_hash(&new.proof, subject).to_vec()),
            new.at,
            serde_json::to_string(&ErasureStep::first(scope))?
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if inserted == 0 {
            transaction.commit().await?;
            let existing = self.find(new.id).await?;
            return Ok(if existing.is_some() { ErasureRequested::Existing } else { ErasureRequested::LegalHold });
        }
        if let Subject::Session { dialect, id, .. } = new.subject {
            sqlx::query!(
                "INSERT INTO erasure_sessions (org_id, erasure_id, dialect, session_id) VALUES ($1, $2, $3, $4)",
                self.0.org.0,
                new.id.0,
                dialect.code(),
                id.0
            )
            .execute(&mut *transaction)
            .await?;
        }
        // The log outlives the erasure, so that it names the kind of subject and not the subject.
        let entry = Entry::new(self.0.org, self.0.actor(), Action::ErasureRequest, format!("erasure/{}", new.id))
            .after(&serde_json::json!({"scope": scope.as_str()}))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(ErasureRequested::New)
    }

    /// Returns an erasure.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, id: ErasureId) -> Result<Option<Receipt>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let row = receipt!("WHERE org_id = $1 AND erasure_id = $2", self.0.org.0, id.0)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        row.map(Receipt::try_from).transpose()
    }

    /// Returns at most `limit` erasures after a cursor, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn page(&self, after: Option<ErasureCursor>, limit: i64) -> Result<Vec<Receipt>, StoreError> {
        let (at, id) = super::keyset::or_latest(after.map(|cursor| (cursor.requested_at, cursor.id)));
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = receipt!(
            "WHERE org_id = $1 AND (requested_at, erasure_id) < ($2, $3)
              ORDER BY requested_at DESC, erasure_id DESC LIMIT $4",
            self.0.org.0,
            at,
            id,
            limit
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.into_iter().map(Receipt::try_from).collect()
    }
}
