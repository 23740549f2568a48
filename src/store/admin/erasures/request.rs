//! Requests of erasures, and their receipts.

use uuid::Uuid;

use super::{AdminError, AdminStore, Counts, ErasureStep};
use crate::domain::erasure::{ProofKey, subject_hash};
use crate::domain::{Action, DialectName, ErasureId, ErasureScope, OrgId, SessionId, Timestamp};
use crate::store::audit::{self, Entry};
use crate::store::{StoreError, scope};

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The user with this id, in all dialects.
    User(String),
    Session {
        dialect: DialectName,
        id: SessionId,
        public_id: String,
    },
    /// Everything of the organization.
    Organization,
}

/// A request.
#[derive(Debug)]
pub struct NewErasure<'e> {
    pub id: ErasureId,
    pub org: OrgId,
    pub subject: &'e Subject,
    /// The key under which the subject is hashed. It is not stored.
    pub proof: ProofKey,
    pub at: Timestamp,
}

/// A requested erasure and what it has deleted so far.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub id: ErasureId,
    pub org: OrgId,
    pub scope: ErasureScope,
    pub subject_hash: Option<Vec<u8>>,
    pub dialect: Option<DialectName>,
    pub unused_since: Option<Timestamp>,
    pub requested_at: Timestamp,
    /// Whether only what was in progress is left.
    pub is_second_pass: bool,
    pub done_at: Option<Timestamp>,
    pub counts: Counts,
}

/// A row of `erasures` without its subject.
pub(in crate::store) struct ReceiptRow {
    pub org_id: Uuid,
    pub erasure_id: Uuid,
    pub scope: i16,
    pub subject_hash: Option<Vec<u8>>,
    pub dialect: Option<i16>,
    pub unused_since: Option<Timestamp>,
    pub requested_at: Timestamp,
    pub pass: i16,
    pub done_at: Option<Timestamp>,
    pub counts: String,
}

/// Selects receipts.
macro_rules! receipt {
    ($condition:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            $crate::store::admin::ReceiptRow,
            r#"SELECT org_id, erasure_id, scope, subject_hash, dialect, unused_since, requested_at, pass, done_at,
                      counts::text AS "counts!"
                 FROM erasures "#
                + $condition
            $(, $argument)*
        )
    };
}

pub(in crate::store) use receipt;

impl TryFrom<ReceiptRow> for Receipt {
    type Error = StoreError;

    fn try_from(row: ReceiptRow) -> Result<Self, Self::Error> {
        Ok(Self {
            id: ErasureId(row.erasure_id),
            org: OrgId(row.org_id),
            scope: ErasureScope::from_code(row.scope).ok_or_else(|| StoreError::Unreadable("scope".to_owned()))?,
            subject_hash: row.subject_hash,
            dialect: row.dialect.and_then(DialectName::from_code),
            unused_since: row.unused_since,
            requested_at: row.requested_at,
            is_second_pass: row.pass > 1,
            done_at: row.done_at,
            counts: serde_json::from_str(&row.counts)?,
        })
    }
}

impl AdminStore {
    /// Stores a request, which the worker carries out.
    ///
    /// # Errors
    /// [`AdminError::LegalHold`] if the organization's data must not be erased; [`AdminError::OrganizationEnabled`] for
    /// everything of an organization that can still be used; [`AdminError::Store`] when the database cannot be reached.
    pub async fn request_erasure(&self, new: &NewErasure<'_>) -> Result<(), AdminError> {
        // Before the transaction, because a command has only one connection to a shard.
        self.may_erase(new.org, new.subject).await?;
        let mut transaction = scope::begin_system(&self.pool(new.org)).await?;
        let (scope, subject) = match new.subject {
            Subject::User(user) => (ErasureScope::User, Some(user)),
            Subject::Session { public_id, .. } => (ErasureScope::Session, Some(public_id)),
            Subject::Organization => (ErasureScope::Organization, None),
        };
        sqlx::query!(
            "INSERT INTO erasures (org_id, erasure_id, scope, subject, subject_hash, requested_at, step, due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $6)",
            new.org.0,
            new.id.0,
            scope.code(),
            subject.map(String::as_str),
            subject.map(|subject| subject_hash(&new.proof, subject).to_vec()),
            new.at,
            serde_json::to_string(&ErasureStep::first(scope))?
        )
        .execute(&mut *transaction)
        .await?;
        if let Subject::Session { dialect, id, .. } = new.subject {
            sqlx::query!(
                "INSERT INTO erasure_sessions (org_id, erasure_id, dialect, session_id) VALUES ($1, $2, $3, $4)",
                new.org.0,
                new.id.0,
                dialect.code(),
                id.0
            )
            .execute(&mut *transaction)
            .await?;
        }
        // The log outlives the erasure, so that it names the kind of subject and not the subject.
        let entry = Entry::new(new.org, &self.actor, Action::ErasureRequest, format!("erasure/{}", new.id))
            .after(&serde_json::json!({"scope": scope.as_str()}))?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Checks that the data may be erased.
    ///
    /// # Errors
    /// The same as those of [`AdminStore::request_erasure`].
    pub async fn may_erase(&self, org: OrgId, subject: &Subject) -> Result<(), AdminError> {
        let state = sqlx::query!(
            r#"SELECT disabled_at IS NOT NULL AS "is_disabled!",
                      EXISTS (SELECT FROM legal_holds h WHERE h.org_id = o.org_id) AS "is_held!"
                 FROM organizations o WHERE org_id = $1"#,
            org.0
        )
        .fetch_optional(self.pool(org).reads())
        .await?
        .ok_or(AdminError::NotFound("organization"))?;
        match subject {
            _ if state.is_held => Err(AdminError::LegalHold),
            Subject::Organization if !state.is_disabled => Err(AdminError::OrganizationEnabled),
            _ => Ok(()),
        }
    }

    /// Returns an erasure.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] if there is none with this id; [`AdminError::Store`] when the database cannot be
    /// reached.
    pub async fn receipt(&self, id: ErasureId) -> Result<Receipt, AdminError> {
        self.in_its_shard(|shard| async move { shard.receipt_in_shard(id).await }).await
    }

    async fn receipt_in_shard(&self, id: ErasureId) -> Result<Receipt, AdminError> {
        let row = receipt!("WHERE erasure_id = $1", id.0).fetch_optional(self.here().reads()).await?;
        Ok(row.ok_or(AdminError::NotFound("erasure"))?.try_into()?)
    }
}

/// Returns the id of the retention of a dialect at a time: the same on every replica.
pub(super) fn retention_id(org: OrgId, dialect: i16, at: Timestamp) -> Uuid {
    Uuid::new_v5(&org.0, format!("retention {dialect} {}", at.timestamp_millis()).as_bytes())
}
