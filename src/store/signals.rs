//! Notifies the replica that works on a reply when its turn is over because another replica interrupted it, ended its
//! session, or disabled its agent or its organization.
//!
//! Such a change sends a notification in its own transaction, so that it is delivered after the commit, and only then.
//! The notification is a hint: a replica renews the leases of its turns every few seconds in any case and finds the
//! change in the session's row, also behind a pooler that delivers no notifications. Only rare changes send
//! notifications, because their COMMITs take a lock that orders them across the database.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::TenantStore;
use super::sessions::RowKey;
use super::shards::Link;
use crate::domain::{AgentId, DialectName, OrgId, SessionId};

/// The channel of the notifications.
const CHANNEL: &str = "session_turns";
/// The pause after the listening connection was lost.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The subject of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// A change of this session ends its turn or turns.
    Session(RowKey),
    /// The agent was disabled or deleted.
    Agent(OrgId, AgentId),
    /// The organization was disabled.
    Organization(OrgId),
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(key) => write!(f, "session {} {} {}", key.org, key.dialect, key.id.0),
            Self::Agent(org, agent) => write!(f, "agent {org} {agent}"),
            Self::Organization(org) => write!(f, "organization {org}"),
        }
    }
}

/// The error for a text that is not a known signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownSignal;

impl FromStr for Signal {
    type Err = UnknownSignal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uuid = |text: &str| text.parse::<Uuid>().map_err(|_| UnknownSignal);
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["session", org, dialect, id] => {
                let dialect = dialect.parse().map_err(|_| UnknownSignal)?;
                Ok(Self::Session(RowKey::of(uuid(org)?, dialect, uuid(id)?)))
            }
            ["agent", org, agent] => Ok(Self::Agent(OrgId(uuid(org)?), AgentId(uuid(agent)?))),
            ["organization", org] => Ok(Self::Organization(OrgId(uuid(org)?))),
            _ => Err(UnknownSignal),
        }
    }
}

/// Sends notifications to all replicas, including this one, when the transaction is committed.
///
/// # Errors
/// When the statement fails.
pub(super) async fn send(connection: &mut PgConnection, signals: &[Signal]) -> Result<(), sqlx::Error> {
    if signals.is_empty() {
        return Ok(());
    }
    let payloads: Vec<String> = signals.iter().map(Signal::to_string).collect();
    sqlx::query!("SELECT pg_notify($1, payload) FROM UNNEST($2::text[]) AS payload", CHANNEL, &payloads)
        .execute(connection)
        .await?;
    Ok(())
}

/// Why a turn is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The session may have changed: its row must be read.
    Look,
    AgentDisabled,
    OrganizationDisabled,
}

/// The turns that run on this replica.
#[derive(Debug, Default)]
pub(super) struct Turns {
    watched: Mutex<HashMap<u64, Watched>>,
    next: AtomicU64,
    is_listening: AtomicBool,
    /// Makes the task that listens connect again.
    moved: Notify,
    /// Ends the task that listens.
    closing: CancellationToken,
}

#[derive(Debug)]
struct Watched {
    key: RowKey,
    agent: AgentId,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    rung: Notify,
    /// The reason that ends the turn.
    end: OnceLock<Woken>,
}

/// Receives the notifications about a turn's session, agent and organization, until it is dropped.
#[derive(Debug)]
pub struct TurnWatch {
    turns: Arc<Turns>,
    id: u64,
    bell: Arc<Bell>,
}

impl TurnWatch {
    /// Waits for a notification. One that arrived before the call and was not waited for yet is returned as well.
    pub async fn woken(&self) -> Woken {
        if let Some(end) = self.bell.end.get() {
            return *end;
        }
        self.bell.rung.notified().await;
        self.bell.end.get().copied().unwrap_or(Woken::Look)
    }
}

impl Drop for TurnWatch {
    fn drop(&mut self) {
        self.turns.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Turns {
    fn watch(self: &Arc<Self>, key: RowKey, agent: AgentId) -> TurnWatch {
        let (id, bell) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::default());
        let watched = Watched { key, agent, bell: Arc::clone(&bell) };
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(id, watched);
        TurnWatch { turns: Arc::clone(self), id, bell }
    }

    fn ring(&self, signal: Signal) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for turn in watched.values() {
            let end = match signal {
                Signal::Session(key) if key == turn.key => None,
                Signal::Agent(org, agent) if (org, agent) == (turn.key.org, turn.agent) => Some(Woken::AgentDisabled),
                Signal::Organization(org) if org == turn.key.org => Some(Woken::OrganizationDisabled),
                _ => continue,
            };
            if let Some(end) = end {
                let _ = turn.bell.end.set(end);
            }
            turn.bell.rung.notify_one();
        }
    }

    /// Wakes every turn, because notifications may have been missed.
    fn ring_all(&self) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.values().for_each(|turn| turn.bell.rung.notify_one());
    }

    /// Starts to listen when the first turn begins, because a replica without turns needs no connection for it.
    fn listen(self: &Arc<Self>, link: &Link) {
        if !self.is_listening.swap(true, Ordering::AcqRel) {
            let (turns, link, closing) = (Arc::clone(self), link.clone(), self.closing.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = closing.cancelled() => {}
                    () = turns.hear(link) => {}
                }
            });
        }
    }

    /// Listens where the link leads now, because notifications are sent at the shard's node.
    pub fn listen_again(&self) {
        self.moved.notify_one();
    }

    pub fn close(&self) {
        self.closing.cancel();
    }

    async fn hear(&self, link: Link) {
        loop {
            let options = link.database().app_group_options();
            let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
            let heard = tokio::select! {
                heard = self.hear_while_connected(&pool) => heard,
                () = self.moved.notified() => Ok(()),
            };
            let is_moved = heard.is_ok();
            if let Err(error) = heard {
                tracing::warn!(%error, "store.signals_lost");
            }
            pool.close().await;
            if !is_moved {
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        }
    }

    async fn hear_while_connected(&self, pool: &sqlx::PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            self.ring_all();
            while let Some(notification) = listener.try_recv().await? {
                if let Ok(signal) = notification.payload().parse() {
                    self.ring(signal);
                }
            }
        }
    }
}

impl TenantStore {
    /// Watches a turn of a session of this organization. Call it before the turn is stored, so that no later change is
    /// missed.
    #[must_use]
    pub fn watch_turn(&self, (dialect, id): (DialectName, SessionId), agent: AgentId) -> TurnWatch {
        self.shard.turns.listen(&self.shard.link);
        self.shard.turns.watch(RowKey::new(self.org, dialect, id), agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use proptest::prelude::*;

    fn key(org: u128, id: u128) -> RowKey {
        RowKey::of(Uuid::from_u128(org), DialectName::AgentKey.code(), Uuid::from_u128(id))
    }

    #[tokio::test]
    async fn each_turn_hears_what_is_about_it_and_no_other() {
        let turns = Arc::new(Turns::default());
        let agent = |id| AgentId(Uuid::from_u128(id));
        let (mine, other) = (turns.watch(key(1, 1), agent(1)), turns.watch(key(2, 1), agent(1)));
        turns.ring(Signal::Session(key(1, 2)));
        turns.ring(Signal::Agent(key(1, 1).org, agent(2)));
        assert_eq!(mine.woken().now_or_never(), None);
        turns.ring(Signal::Session(key(1, 1)));
        assert_eq!(mine.woken().now_or_never(), Some(Woken::Look));
        assert_eq!(mine.woken().now_or_never(), None);
        turns.ring(Signal::Agent(key(1, 1).org, agent(1)));
        turns.ring(Signal::Session(key(1, 1)));
        for _ in 0..2 {
            assert_eq!(mine.woken().now_or_never(), Some(Woken::AgentDisabled));
        }
        assert_eq!(other.woken().now_or_never(), None);
        turns.ring(Signal::Organization(key(2, 1).org));
        assert_eq!(other.woken().now_or_never(), Some(Woken::OrganizationDisabled));
        drop((mine, other));
        assert!(turns.watched.lock().unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn signals_are_read_as_they_are_written(org: u128, id: u128, dialect: i16) {
            let (org, id) = (Uuid::from_u128(org), Uuid::from_u128(id));
            for signal in [
                Signal::Session(RowKey::of(org, dialect, id)),
                Signal::Agent(OrgId(org), AgentId(id)),
                Signal::Organization(OrgId(org)),
            ] {
                prop_assert_eq!(signal.to_string().parse(), Ok(signal));
            }
        }

        #[test]
        fn other_texts_are_no_signals(text in ".{0,60}") {
            prop_assert_eq!(text.parse::<Signal>(), Err(UnknownSignal));
        }
    }
}
