//! Where the rows of an organization are: in the one database, or in a shard of a distributed one (Citus).
//!
//! A shard is used as a small database of its own. Each connection belongs to one shard: it is made to the node that has
//! the shard, and its `search_path` begins with a schema that has views of the shard's tables under the tables' own names
//! (migrations/distributed/nodes.sql). So every statement is the same as on one Postgres, a batch has organizations of one
//! shard only, and no transaction spans nodes. What knows no organization yet asks all nodes or all shards.
//!
//! Every transaction checks that its connection is to the right node, and those that write hold the lock that a move
//! waits for. When a shard has moved, the placement is read again, and the connections are made to the other node.

mod fence;
mod hash;
mod link;
mod placement;
mod pool;

use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::Connection;

pub(super) use fence::Fence;
pub(super) use link::{Link, is_moved};
pub(super) use placement::read as read_placements;
pub use placement::{Node, Placement, ShardId};
pub(super) use pool::ShardPool;

use self::hash::uuid_hash;
use self::link::Refresh;
use super::database::connect;
use super::{Database, DatabaseError, DatabaseRole};
use crate::domain::OrgId;

/// How often the placement is read without a reason.
const READ_EVERY: Duration = Duration::from_secs(5);
/// The shortest time between two readings.
const PAUSE: Duration = Duration::from_millis(50);
/// Time limit of a reading from one node.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// What a replica has for each shard.
pub(super) trait Part: Send + Sync + Sized + 'static {
    /// Makes new connections to another node. Those to the former node are closed when they are used next.
    fn move_to(&self, database: &Database);

    /// Finishes what was accepted, and closes the connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Makes the connections of a shard.
type Make<P> = Box<dyn Fn(Link) -> BoxFuture<'static, Result<P, DatabaseError>> + Send + Sync>;

/// The shards of a database, one if it is not distributed.
pub(super) struct Shards<P> {
    list: RwLock<Arc<[Shard<P>]>>,
    make: Make<P>,
    /// The settings with which the placement is read first; the nodes are asked when it cannot be reached.
    database: Database,
    /// The role that reads it.
    role: DatabaseRole,
    refresh: Arc<Refresh>,
}

/// A shard with its connections.
pub(super) struct Shard<P> {
    hashes: RangeInclusive<i32>,
    node: Option<Node>,
    link: Link,
    pub part: Arc<P>,
}

impl<P> Clone for Shard<P> {
    fn clone(&self) -> Self {
        Self {
            hashes: self.hashes.clone(),
            node: self.node.clone(),
            link: self.link.clone(),
            part: Arc::clone(&self.part),
        }
    }
}

impl<P: Part> Shards<P> {
    /// Finds out which shards the database has, and makes the connections of each.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(database: &Database, role: DatabaseRole, make: Make<P>) -> Result<Arc<Self>, DatabaseError> {
        let placements = placements(database, role).await?;
        let refresh = Arc::new(Refresh::default());
        let mut list = Vec::new();
        match &placements {
            None => {
                let link = Link::to(database.clone());
                let part = Arc::new(make(link.clone()).await?);
                list.push(Shard { hashes: i32::MIN..=i32::MAX, node: None, link, part });
            }
            Some(placements) => {
                for placement in placements {
                    list.push(Shard::make(placement, database, &refresh, &make).await?);
                }
            }
        }
        let shards = Arc::new(Self { list: RwLock::new(list.into()), make, database: database.clone(), role, refresh });
        if placements.is_some() {
            tokio::spawn(read_regularly(Arc::downgrade(&shards), Arc::clone(&shards.refresh)));
        }
        Ok(shards)
    }

    /// Returns whether the database is distributed.
    pub fn are_many(&self) -> bool {
        self.all().iter().any(|shard| shard.node.is_some())
    }

    /// Returns all shards, by their hashes.
    pub fn all(&self) -> Arc<[Shard<P>]> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the first shard.
    pub fn any(&self) -> Arc<P> {
        Arc::clone(&self.all()[0].part)
    }

    /// Returns one shard of each node.
    pub fn of_each_node(&self) -> Vec<Shard<P>> {
        let mut found: Vec<Shard<P>> = Vec::new();
        for shard in self.all().iter() {
            if !found.iter().any(|other| other.node == shard.node) {
                found.push(shard.clone());
            }
        }
        found
    }

    /// Returns the shard that has the rows of an organization.
    pub fn of(&self, org: OrgId) -> Arc<P> {
        let all = self.all();
        let at = if all.len() == 1 { 0 } else { index(&all, org) };
        Arc::clone(&all[at].part)
    }

    /// Sorts items by the shards of their organizations, in the order of the items.
    pub fn assign<T>(&self, items: Vec<T>, org: impl Fn(&T) -> OrgId) -> Vec<(Arc<P>, Vec<T>)> {
        let all = self.all();
        if let [only] = &*all {
            return vec![(Arc::clone(&only.part), items)];
        }
        let mut lists: Vec<Vec<T>> = all.iter().map(|_| Vec::new()).collect();
        for item in items {
            lists[index(&all, org(&item))].push(item);
        }
        let pairs = all.iter().map(|shard| Arc::clone(&shard.part)).zip(lists);
        pairs.filter(|(_, list)| !list.is_empty()).collect()
    }

    /// Returns the shards and their nodes.
    pub fn placement(&self) -> Vec<(Option<ShardId>, Option<Node>)> {
        self.all().iter().map(|shard| (shard.link.shard(), shard.node.clone())).collect()
    }

    /// Waits until the placement was read again, at most a second.
    pub async fn refreshed(&self) {
        let link = self.all()[0].link.clone();
        link.refreshed().await;
    }

    /// Returns the numbers of all shards.
    pub fn numbers(&self) -> Vec<Option<ShardId>> {
        self.all().iter().map(|shard| shard.link.shard()).collect()
    }

    /// Resolves when there are other shards than these. Never resolves if the database is not distributed.
    pub async fn differ_from(&self, seen: &[Option<ShardId>]) {
        let mut readings = self.refresh.readings.subscribe();
        while self.numbers() == seen {
            if readings.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub async fn close(&self) {
        let all = self.all();
        futures::future::join_all(all.iter().map(|shard| shard.part.close())).await;
    }

    /// Reads the placement, and follows the shards that have moved or that were split.
    async fn read_placement(&self) {
        let all = self.all();
        let mut sources = vec![self.database.clone()];
        sources.extend(self.of_each_node().iter().map(|shard| shard.link.database()));
        let mut placements = None;
        for source in sources {
            match tokio::time::timeout(READ_TIMEOUT, self::placements(&source, self.role)).await {
                Ok(Ok(Some(found))) => {
                    placements = Some(found);
                    break;
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "store.placement_unread"),
                Err(_elapsed) => tracing::warn!("store.placement_unread"),
            }
        }
        let Some(placements) = placements else { return };
        let mut list = Vec::with_capacity(placements.len());
        for placement in &placements {
            let known = all.iter().find(|shard| shard.link.shard() == Some(placement.shard));
            list.push(match known {
                Some(shard) => shard.at(placement, &self.database),
                None => match Shard::make(placement, &self.database, &self.refresh, &self.make).await {
                    Ok(shard) => shard,
                    Err(error) => return tracing::warn!(%error, shard = %placement.shard, "store.shard_unreachable"),
                },
            });
        }
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = list.into();
        for shard in all.iter().filter(|old| !placements.iter().any(|new| Some(new.shard) == old.link.shard())) {
            // It was split. Its callers finish first.
            let part = Arc::clone(&shard.part);
            tokio::spawn(async move { part.close().await });
        }
    }
}

impl<P: Part> Shard<P> {
    async fn make(
        placement: &Placement,
        database: &Database,
        refresh: &Arc<Refresh>,
        make: &Make<P>,
    ) -> Result<Self, DatabaseError> {
        let link = Link::to_shard(database.at(placement), Arc::clone(refresh));
        let part = Arc::new(make(link.clone()).await?);
        Ok(Self { hashes: placement.hashes.clone(), node: Some(placement.node.clone()), link, part })
    }

    /// Returns the shard at its current node.
    fn at(&self, placement: &Placement, database: &Database) -> Self {
        if self.node.as_ref() != Some(&placement.node) {
            tracing::info!(shard = %placement.shard, host = placement.node.host, port = placement.node.port,
                           "store.shard_moved");
            let moved = database.at(placement);
            self.link.set(moved.clone());
            self.part.move_to(&moved);
        }
        Self { hashes: placement.hashes.clone(), node: Some(placement.node.clone()), ..self.clone() }
    }
}

/// Returns the place of an organization's shard in the list of all.
fn index<P>(all: &[Shard<P>], org: OrgId) -> usize {
    let hash = uuid_hash(org.0);
    all.partition_point(|shard| *shard.hashes.end() < hash)
}

/// Reads which shards a database has; `None` if it is not distributed.
async fn placements(database: &Database, role: DatabaseRole) -> Result<Option<Vec<Placement>>, DatabaseError> {
    let options = database.options_of(role);
    let mut connection = connect(&options).await.map_err(DatabaseError::or_no_member)?;
    let placements = read_placements(&mut connection).await;
    let _ = connection.close().await;
    placements.map_err(|error| super::database::connect_error(&options, error))
}

async fn read_regularly<P: Part>(shards: Weak<Shards<P>>, refresh: Arc<Refresh>) {
    loop {
        tokio::select! {
            () = refresh.wanted.notified() => {}
            () = tokio::time::sleep(READ_EVERY) => {}
        }
        let Some(shards) = shards.upgrade() else { return };
        shards.read_placement().await;
        drop(shards);
        refresh.readings.send_modify(|readings| *readings += 1);
        tokio::time::sleep(PAUSE).await;
    }
}
