//! The lease of a running turn, and what ends the turn before its reply has arrived.

use std::time::Duration;

use super::Conversations;
use crate::domain::{AgentId, AgentRef, DialectName, EventId, Session, SessionId, Timestamp};
use crate::store::{StoreError, TenantStore, TurnWatch, Woken};

/// How often the lease is renewed: several times before it runs out, in case the database is slow.
const RENEW_EVERY: Duration = Duration::from_secs(2);

/// Why a turn ended before its reply had arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    #[error("the session was interrupted")]
    Interrupted,
    /// It was closed or deleted.
    #[error("the session has ended")]
    SessionEnded,
    #[error("the session was disabled")]
    SessionDisabled,
    /// It was disabled or deleted.
    #[error("the agent was disabled")]
    AgentDisabled,
    #[error("the organization was disabled")]
    OrganizationDisabled,
    #[error("the service is stopping")]
    Stopping,
}

/// A turn that this replica works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeasedTurn {
    pub session: (DialectName, SessionId),
    pub agent: AgentId,
    pub reply: EventId,
}

impl LeasedTurn {
    /// Renews the turn's lease every two seconds. Returns once there is a reason to end the turn.
    pub async fn until_ended(self, conversations: &Conversations, store: &TenantStore, watch: &TurnWatch) -> EndReason {
        loop {
            let found = tokio::select! {
                woken = watch.woken() => match woken {
                    Woken::Look => self.renew(conversations, store).await,
                    Woken::AgentDisabled => return EndReason::AgentDisabled,
                    Woken::OrganizationDisabled => return EndReason::OrganizationDisabled,
                },
                () = tokio::time::sleep(RENEW_EVERY) => self.renew_and_check_owners(conversations, store).await,
            };
            match found {
                Ok(Some(reason)) => return reason,
                Ok(None) => {}
                // No other replica can take the turn while the database is unavailable.
                Err(error) => tracing::debug!(%error, "conversation.lease_not_renewed"),
            }
        }
    }

    /// Renews the lease. Returns a reason if the session's row shows that the turn is over.
    async fn renew(self, conversations: &Conversations, store: &TenantStore) -> Result<Option<EndReason>, StoreError> {
        let (now, reply) = (conversations.clock.now(), self.reply);
        let rule = move |session: &mut Session| renew(session, reply, now);
        let changed = store.sessions().change(self.session, conversations.mint.uuid()).apply(rule).await?;
        Ok(changed.map_or(Some(EndReason::SessionEnded), |changed| changed.outcome.flatten()))
    }

    /// Renews the lease, and checks the agent and the organization as well, because a notification may have been
    /// missed.
    async fn renew_and_check_owners(
        self,
        conversations: &Conversations,
        store: &TenantStore,
    ) -> Result<Option<EndReason>, StoreError> {
        if let Some(reason) = self.renew(conversations, store).await? {
            return Ok(Some(reason));
        }
        let agent = store.agents().find(&AgentRef::Id(self.agent)).await?;
        if !agent.is_some_and(|agent| agent.enabled) {
            return Ok(Some(EndReason::AgentDisabled));
        }
        let is_enabled = store.is_organization_enabled().await?;
        Ok((!is_enabled).then_some(EndReason::OrganizationDisabled))
    }
}

fn renew(session: &mut Session, reply: EventId, now: Timestamp) -> Option<EndReason> {
    if let Some(reason) = ended(session) {
        return Some(reason);
    }
    match session.turn {
        Some(turn) if turn.reply == reply => {
            session.turn = Some(turn.renewed(now));
            None
        }
        _ => session.dialect.replies_one_at_a_time().then_some(EndReason::Interrupted),
    }
}

/// Returns why no turn of the session can go on, or `None` if turns can.
pub(super) fn ended(session: &Session) -> Option<EndReason> {
    if session.ended_at.is_some() {
        Some(EndReason::SessionEnded)
    } else {
        (!session.enabled).then_some(EndReason::SessionDisabled)
    }
}
