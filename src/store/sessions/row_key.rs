//! Where a session's row is.

use uuid::Uuid;

use crate::domain::{DialectName, OrgId, SessionId};

/// The primary key of a session's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    pub org: OrgId,
    pub dialect: i16,
    pub id: SessionId,
}

/// The columns of a statement's list of keys.
pub struct KeyColumns {
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

    /// Returns the keys in their order, each once.
    pub fn sorted(keys: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut keys: Vec<Self> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Returns the organizations of sorted keys.
    pub fn organizations(sorted: &[Self]) -> Vec<OrgId> {
        let mut orgs: Vec<OrgId> = sorted.iter().map(|key| key.org).collect();
        orgs.dedup();
        orgs
    }

    /// Returns the route of a session, so that the same task always handles it. The last bytes of the UUID are random
    /// in every dialect's ids.
    pub fn route(&self) -> u64 {
        let bits = self.id.0.as_u128();
        (bits ^ bits >> 64) as u64 ^ self.org.0.as_u128() as u64
    }
}
