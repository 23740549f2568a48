//! The store for the command line and the workers: it sees every organization, as `sessionary_system`.

mod agents;
mod api_keys;
mod audit;
mod audit_stream;
mod captures;
mod console_links;
mod erasure;
mod erasures;
mod feed;
mod idempotency;
mod key_sets;
mod leaks;
mod organizations;
mod sealing;
mod sessions;
mod usage_days;
mod users;
mod webhooks;

pub use agents::NewAvatar;
pub use api_keys::{ExpiringKey, KeyRow, NewKey, Replacement};
pub use audit_stream::UnsentEntries;
pub use captures::{IndexBatch, NotedBatch, RebuiltBatch, SettledBatch};
pub use erasure::Erased;
pub(super) use erasures::first_step as first_erasure_step;
pub use erasures::{
    Counts, ErasureProgress, NewErasure, Preview, Receipt, RetentionRule, RetentionSettings, SETTLED_AFTER, Subject,
};
pub(in crate::store) use erasures::{events_of, next_old};
pub use organizations::{NewOrganization, OrganizationDetails, OrganizationRow, OrganizationSettings, as_bytes};
pub use sealing::{DataKeyCount, Resealed, SealingStatus};
pub use sessions::{EventRow, Page};
pub use webhooks::{
    Attempted, Backlog, DeliveryRow, EndpointChange, LeaseTerms, Leased, NewWebhook, Next, Waiting, WebhookRow,
};

use std::sync::Arc;

use sqlx::PgPool;

pub use super::AuditRow;
use super::{Database, DatabaseError, LOOKUP_PLANS, StoreError};
use crate::domain::sealing::SealingKeys;
use crate::domain::{Actor, KeyId, WebhookId};
pub(super) use erasures::{ErasureStep, ReceiptRow, receipt};

/// Why an administrator's request cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("that {0} is taken")]
    Taken(&'static str),
    #[error("{0} is the key of one agent and the number of another; use the UUID")]
    AmbiguousAgent(String),
    #[error("API key {0} has been revoked or has expired, so that nothing uses it; create another")]
    KeyHasEnded(KeyId),
    #[error("webhook {0} is disabled, because its endpoint responded with 410; enable it first")]
    WebhookDisabled(WebhookId),
    #[error(
        "the organization is under a legal hold, so that nothing is erased; `org retention ORG --hold off` ends it"
    )]
    LegalHold,
    #[error("the organization is enabled; disable it first with `org disable`, so that nothing is added meanwhile")]
    OrganizationEnabled,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AdminError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<serde_json::Error> for AdminError {
    fn from(error: serde_json::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Converts the error of a write. A violated constraint that is listed in `words` becomes [`AdminError::Taken`] with
/// its word.
fn taken(error: sqlx::Error, words: &[(&str, &'static str)]) -> AdminError {
    let broken = error.as_database_error().and_then(|error| error.constraint());
    match words.iter().find(|(constraint, _)| Some(*constraint) == broken) {
        Some((_, word)) => AdminError::Taken(word),
        None => error.into(),
    }
}

/// Two connections, because a long export reads on one while it writes on the other.
const CONNECTIONS: u32 = 2;
/// One more for the workers, because making a block of the search index takes one for a second or two.
const WORKER_CONNECTIONS: u32 = 3;

/// Connections that see every organization. Never reachable from a request.
#[derive(Clone)]
pub struct AdminStore {
    pool: PgPool,
    /// Whose acts they are that the audit log records.
    actor: Arc<Actor>,
    /// The keys that secrets are sealed with; `None` stores them in clear.
    sealing: Option<SealingKeys>,
}

impl AdminStore {
    /// Connects for the command line.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(database: &Database) -> Result<Self, DatabaseError> {
        Ok(Self::new(database.system_pool(CONNECTIONS, &[]).await?, database))
    }

    /// Connects for the workers. Their statements have a time limit, unlike a command's export.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect_workers(database: &Database) -> Result<Self, DatabaseError> {
        let settings = [&LOOKUP_PLANS[..], &[("statement_timeout", "30s")]].concat();
        let pool = database.system_pool(WORKER_CONNECTIONS, &settings).await?;
        Ok(Self::new(pool, database))
    }

    fn new(pool: PgPool, database: &Database) -> Self {
        Self { pool, actor: Arc::new(Actor::SERVICE), sealing: database.sealing().cloned() }
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}
