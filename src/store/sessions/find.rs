//! Looks up sessions in groups.

use super::{RowKey, SessionRow};
use crate::domain::OrgId;
use crate::store::group::Batch;
use crate::store::scope::WriterConnection;

pub enum FindSessions {}

impl Batch for FindSessions {
    const NAME: &'static str = "find_session";
    const WRITES: bool = false;
    type Request = RowKey;
    type Answer = Option<SessionRow>;
    type Memory = ();

    fn org(request: &RowKey) -> OrgId {
        request.org
    }

    fn bytes(_: &RowKey) -> usize {
        size_of::<RowKey>()
    }

    fn stored(_: &RowKey, _: &Self::Answer) -> usize {
        0
    }

    fn route(request: &RowKey) -> u64 {
        request.route()
    }

    async fn run(writer: &mut WriterConnection, requests: &[&RowKey]) -> Result<Vec<Self::Answer>, sqlx::Error> {
        let keys = RowKey::sorted(requests.iter().map(|key| **key));
        let orgs = RowKey::organizations(&keys);

        let mut connection = writer.narrowed(&orgs).await?;
        let rows = SessionRow::read(&mut connection, &keys).await?;
        connection.done().await?;
        Ok(requests.iter().map(|key| rows.get(key).cloned()).collect())
    }
}
