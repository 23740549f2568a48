//! Sessions looked up in groups.

use sqlx::PgConnection;

use super::{RowKey, SessionRow};
use crate::domain::OrgId;
use crate::store::group::Batch;
use crate::store::scope;

pub enum FindSessions {}

impl Batch for FindSessions {
    const NAME: &'static str = "find_session";
    type Request = RowKey;
    type Answer = Option<SessionRow>;

    fn org(request: &RowKey) -> OrgId {
        request.org
    }

    fn route(request: &RowKey) -> u64 {
        request.route()
    }

    async fn run(connection: &mut PgConnection, requests: &[&RowKey]) -> Result<Vec<Self::Answer>, sqlx::Error> {
        let mut keys: Vec<RowKey> = requests.iter().map(|key| **key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut orgs: Vec<OrgId> = keys.iter().map(|key| key.org).collect();
        orgs.dedup();

        let mut transaction = scope::begin(connection, &orgs).await?;
        let rows = SessionRow::read(&mut transaction, &keys).await?;
        transaction.commit().await?;
        Ok(requests.iter().map(|key| rows.get(key).cloned()).collect())
    }
}
