//! Who takes part in a session.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::{RowKey, Sessions};
use crate::domain::{AgentId, DialectName, SessionId};
use crate::store::StoreError;

/// Bytes of the cached participants.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of an entry beside those of its user's id.
const ENTRY_BYTES: usize = 256;
/// How long they are cached: about as long as a conversation waits for its next message.
const LASTS: Duration = Duration::from_secs(60);

/// The agent of a session, which never changes, and its user of at most a minute ago.
#[derive(Debug)]
pub struct Participants {
    pub agent: Option<AgentId>,
    pub user_id: Option<String>,
}

/// The participants of the sessions of one replica that were looked up last.
pub(in crate::store) struct ParticipantsCache(Cache<RowKey, Arc<Participants>>);

impl Default for ParticipantsCache {
    fn default() -> Self {
        let weight = |_: &RowKey, participants: &Arc<Participants>| {
            let bytes = ENTRY_BYTES + participants.user_id.as_ref().map_or(0, String::len);
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MAX_BYTES).weigher(weight).time_to_live(LASTS).build())
    }
}

impl Sessions<'_> {
    /// Returns who takes part in a session, or `None` if there is no such session. The session may have ended or been
    /// deleted since; a change of it shows that.
    ///
    /// # Errors
    /// The same as those of [`Sessions::find`].
    pub async fn participants(
        &self,
        (dialect, id): (DialectName, SessionId),
    ) -> Result<Option<Arc<Participants>>, StoreError> {
        let key = RowKey::new(self.0.org, dialect, id);
        let cache = &self.0.store.0.participants.0;
        if let Some(participants) = cache.get(&key) {
            return Ok(Some(participants));
        }
        let Some(session) = self.find(dialect, id).await? else { return Ok(None) };
        let participants = Arc::new(Participants { agent: session.agent, user_id: session.user_id });
        cache.insert(key, Arc::clone(&participants));
        Ok(Some(participants))
    }
}
