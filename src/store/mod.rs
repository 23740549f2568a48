//! Postgres, and nothing else.
//!
//! [`Store`] serves requests: it logs in as `sessionary_app`, which owns nothing and sees only the organizations that
//! a transaction names. A handler never holds it; authentication hands over a [`TenantStore`], already narrowed to the
//! caller's organization. [`admin::AdminStore`] is the command line's, under `sessionary_system`.

#![allow(clippy::disallowed_methods, reason = "this is where the SQL is")]

pub mod admin;
mod agents;
mod api_keys;
mod avatars;
mod captures;
mod contacts;
mod dashboard;
mod database;
mod directory;
mod error;
mod events;
mod feed;
mod group;
mod idempotency;
mod migrate;
mod numbers;
mod presence;
mod scope;
mod sessions;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

pub use agents::{AgentCreated, AgentFilter, AgentName, Agents};
pub use api_keys::{ApiKeys, KeyPage, KeyPlace};
pub use avatars::{AvatarChanges, Avatars, ImageSlice, KeptAvatar};
pub use captures::{
    COUNT_LIMIT, CaptureFilter, CapturedRow, Captures, CheckpointRow, Cursor, Figure, Figures, Grain, LogPage,
    MetadataRow, SAMPLE, SpanRow, StoryEventRow, StoryRow,
};
pub use contacts::{ContactPage, ContactPlace, Contacts, Kept};
pub use dashboard::{ChartRow, Dashboard, MemberRow};
pub use database::{Database, DatabaseError};
pub use directory::{Directory, KeyRecord};
pub use error::StoreError;
pub use events::{EventWindow, Events};
pub use feed::{Change, Feed, FeedPlace};
pub use idempotency::{Claimed, Idempotency, KeptAnswer, KeyedRequest, Reservation};
pub use migrate::{MigrateError, migrate, provision};
pub use numbers::{Numbers, Series};
pub use presence::PRESENCE;
pub use sessions::{
    Among, Census, Changed, Created, Heading, SessionOrder, SessionPage, SessionPlace, SessionQuery, SessionRow,
    Sessions, WINDOW,
};
pub use usage::Usage;

use crate::domain::OrgId;
use captures::CaptureEvents;
use group::Group;
use numbers::Blocks;
use presence::Presence;
use sessions::{ChangeSessions, CreateSessions, FindSessions};

/// How much of the database one replica uses.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// Tasks that create sessions, and as many that change them, each with a connection of its own: while one waits
    /// for its fsync, others collect.
    pub writers: usize,
    /// Tasks that look sessions up, each with a connection of its own.
    pub readers: usize,
    /// Connections for everything else.
    pub pool: u32,
    /// How long presence is remembered; zero asks every time.
    pub presence: Duration,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { writers: 2, readers: 1, pool: 8, presence: PRESENCE }
    }
}

/// The store of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    pool: PgPool,
    groups: Groups,
    presence: Presence,
    blocks: Blocks,
}

struct Groups {
    create_sessions: Group<CreateSessions>,
    change_sessions: Group<ChangeSessions>,
    find_sessions: Group<FindSessions>,
    capture_events: Group<CaptureEvents>,
}

impl Store {
    /// Connects as `sessionary_app` and starts the group tasks. The schema must have been migrated.
    ///
    /// # Errors
    /// When the database cannot be reached, or the login is a superuser's or bypasses row-level security.
    pub async fn connect(database: &Database, settings: StoreSettings) -> Result<Self, DatabaseError> {
        let pool = database.app_pool(settings.pool).await?;
        let held = database.app_group_options();
        Ok(Self(Arc::new(Inner {
            pool,
            groups: Groups {
                create_sessions: Group::start(&held, settings.writers),
                change_sessions: Group::start(&held, settings.writers),
                find_sessions: Group::start(&held, settings.readers),
                capture_events: Group::start(&held, settings.writers),
            },
            presence: Presence::new(settings.presence),
            blocks: Blocks::default(),
        })))
    }

    /// The store as one organization sees it.
    #[must_use]
    pub fn tenant(&self, org: OrgId) -> TenantStore {
        TenantStore { store: self.clone(), org }
    }

    /// What can be asked before the organization is known.
    #[must_use]
    pub fn directory(&self) -> Directory<'_> {
        Directory(self)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!(r#"SELECT 1 AS "one!""#).fetch_one(self.pool()).await?;
        Ok(())
    }

    /// Connections of the pool that are open, and those of them that nobody uses.
    #[must_use]
    pub fn pool_size(&self) -> (u32, usize) {
        (self.0.pool.size(), self.0.pool.num_idle())
    }

    /// Finishes what was accepted, refuses what comes after, and lets go of every connection.
    pub async fn close(&self) {
        let groups = &self.0.groups;
        tokio::join!(
            groups.create_sessions.close(),
            groups.change_sessions.close(),
            groups.find_sessions.close(),
            groups.capture_events.close()
        );
        self.0.pool.close().await;
    }

    fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    fn presence(&self) -> &Presence {
        &self.0.presence
    }
}

/// The store, narrowed to one organization: there is no other way to a tenant's rows.
#[derive(Clone)]
pub struct TenantStore {
    store: Store,
    org: OrgId,
}

impl TenantStore {
    /// The organization whose store this is.
    #[must_use]
    pub fn org(&self) -> OrgId {
        self.org
    }

    #[must_use]
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    #[must_use]
    pub fn captures(&self) -> Captures<'_> {
        Captures(self)
    }

    #[must_use]
    pub fn dashboard(&self) -> Dashboard<'_> {
        Dashboard(self)
    }

    #[must_use]
    pub fn agents(&self) -> Agents<'_> {
        Agents(self)
    }

    #[must_use]
    pub fn api_keys(&self) -> ApiKeys<'_> {
        ApiKeys(self)
    }

    #[must_use]
    pub fn avatars(&self) -> Avatars<'_> {
        Avatars(self)
    }

    #[must_use]
    pub fn contacts(&self) -> Contacts<'_> {
        Contacts(self)
    }

    #[must_use]
    pub fn feed(&self) -> Feed<'_> {
        Feed(self)
    }

    #[must_use]
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers(self)
    }

    fn pool(&self) -> &PgPool {
        self.store.pool()
    }

    fn groups(&self) -> &Groups {
        &self.store.0.groups
    }

    fn presence(&self) -> &Presence {
        self.store.presence()
    }

    fn blocks(&self) -> &Blocks {
        &self.store.0.blocks
    }
}
