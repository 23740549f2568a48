//! Stores the end of a turn: its reply, and that the session can accept the next message.

use super::Conversations;
use super::lease::{EndReason, ended};
use super::outcome::{Completeness, Outcome};
use super::retry::with_retries;
use super::turn::{Failure, Turn};
use crate::domain::{Event, NewEvent, OpenTurn, Session};
use crate::store::{Appends, StoreError, TenantStore};

/// How a turn ends for which no event is stored here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TurnEnd {
    Replied,
    /// The same message, sent again soon after, continues it.
    Failed,
}

/// Stores the end of a turn.
pub(super) struct Closing<'t> {
    pub conversations: &'t Conversations,
    pub store: &'t TenantStore,
    pub turn: &'t Turn,
}

impl Closing<'_> {
    /// Stores the whole reply. If the turn was ended in the meantime, the reply is stored as an interrupted one.
    pub async fn with_reply(&self, text: String) -> Result<Outcome, Failure> {
        // In a dialect with one reply at a time, another message may have taken the turn over.
        let one_at_a_time = self.turn.session.dialect.replies_one_at_a_time();
        let partial = one_at_a_time.then(|| (self.turn.reply)(text.clone(), Completeness::Interrupted));
        let whole = (self.turn.reply)(text, Completeness::Whole);
        let (reply, on_reply, now) = (self.turn.pending.id, self.turn.on_reply, self.conversations.clock.now());
        let appends = Appends::of([&whole]);
        let rule = move |session: &mut Session| {
            if is_deleted(session) {
                return (Some(EndReason::SessionEnded), Vec::new());
            }
            let is_ours = session.turn.is_some_and(|turn| turn.reply == reply);
            if let (false, Some(partial)) = (is_ours, &partial) {
                return (Some(ended(session).unwrap_or(EndReason::Interrupted)), vec![partial.clone()]);
            }
            if is_ours {
                session.turn = None;
            }
            on_reply(session, now);
            (None, vec![whole.clone()])
        };
        // A reply is costly, so storing it is retried while the organization is busy. The nonce stores it only once.
        let changed = self.change(appends, rule).await?;
        let (event, reason) = changed.ok_or(EndReason::SessionEnded)?;
        let event = Box::new(event.ok_or(EndReason::SessionEnded)?);
        Ok(match reason {
            Some(reason) => Outcome::Ended { reason, partial: Some(event) },
            None => Outcome::Replied(event),
        })
    }

    /// Stores the part of the reply that has arrived. Returns `None` if the session is deleted.
    pub async fn with_partial(&self, text: String) -> Result<Option<Event>, Failure> {
        let event = (self.turn.reply)(text, Completeness::Interrupted);
        let reply = self.turn.pending.id;
        let appends = Appends::of([&event]);
        let rule = move |session: &mut Session| {
            if session.turn.is_some_and(|turn| turn.reply == reply) {
                session.turn = None;
            }
            (None, if is_deleted(session) { Vec::new() } else { vec![event.clone()] })
        };
        Ok(self.change(appends, rule).await?.and_then(|(event, _)| event))
    }

    /// Removes the turn from its session, or marks it as failed. If the database cannot be reached, its lease runs out.
    pub async fn without_event(&self, end: TurnEnd) {
        let (reply, now) = (self.turn.pending.id, self.conversations.clock.now());
        let rule = move |session: &mut Session| {
            if let Some(turn) = session.turn.filter(|turn| turn.reply == reply) {
                session.turn = (end == TurnEnd::Failed).then(|| OpenTurn::failed(turn, now));
            }
            (None, Vec::new())
        };
        if let Err(error) = self.change(Appends::nothing(), rule).await {
            tracing::warn!(%error, "conversation.turn_not_closed");
        }
    }

    /// Changes the session. Returns the appended event and what the rule returned, or `None` if the session does not
    /// exist.
    async fn change(
        &self,
        appends: Appends,
        rule: impl Fn(&mut Session) -> (Option<EndReason>, Vec<NewEvent>) + Clone + Send + Sync + 'static,
    ) -> Result<Option<(Option<Event>, Option<EndReason>)>, StoreError> {
        let key = (self.turn.session.dialect, self.turn.session.id);
        let (sessions, nonce) = (self.store.sessions(), self.conversations.mint.uuid());
        let changed =
            with_retries(|| sessions.change(key, nonce).appending(appends.clone()).apply(rule.clone())).await?;
        Ok(changed.map(|changed| (changed.events.into_iter().next(), changed.outcome.flatten())))
    }
}

/// Returns whether the session was deleted: nothing more is stored in it.
fn is_deleted(session: &Session) -> bool {
    session.ended_at.is_some() && session.dialect.deletes_what_ends()
}
