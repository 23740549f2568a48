//! A session before and after the changes of a batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::change::{Answer, Request};
use super::{RowKey, SessionRow};
use crate::domain::event::Numbering;
use crate::domain::{Actor, Event, NewEvent, OpenTurn, Session};
use crate::store::StoreError;
use crate::store::feed::FeedKind;

/// The sessions of a batch, before and after its changes.
pub(super) struct ChangingSessions(HashMap<RowKey, ChangingSession>);

pub(super) struct ChangingSession {
    pub before: Session,
    pub now: Session,
    /// The nonce of the last change that was made.
    pub last_change: Option<Uuid>,
    /// Whether a change ends a turn that a replica works on.
    pub takes_turn: bool,
    /// Who deletes the session, if a change does.
    pub erased_by: Option<Arc<Actor>>,
}

impl ChangingSession {
    /// Returns whether the row itself is deleted. That of a dialect whose sessions end by being deleted stays, because
    /// its id must not be used again.
    pub(super) fn is_removed(&self) -> bool {
        self.now.is_erased && !self.now.dialect.deletes_what_ends()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.before.ended_at.is_none() && self.now.ended_at.is_some()
    }

    /// Returns what the feed reports of the change. The progress of a reply is not a change of the session.
    pub fn feed_kind(&self) -> Option<FeedKind> {
        if self.has_ended() {
            return Some(FeedKind::Ended);
        }
        let differs = Session { turn: self.before.turn, ..self.now.clone() } != self.before;
        differs.then_some(FeedKind::Updated)
    }

    /// Applies a request's rule, and numbers the events that it appends.
    pub(super) fn apply(&mut self, request: &Request, numbering: &mut Numbering) -> Answer {
        request.ran.store(true, Ordering::Relaxed);
        let before = self.now.clone();
        let new = (request.rule)(&mut self.now);
        let is_change = self.now != before;
        let mut grown = 0;
        if is_change {
            grown = client_texts(&self.now).saturating_sub(client_texts(&before));
            if grown > 0 && !request.may_grow {
                self.now = before;
                return Answer { is_made: false, is_over_quota: true, ..self.made_before(Vec::new()) };
            }
            self.last_change = Some(request.nonce);
            if self.now.is_erased && !before.is_erased {
                self.erased_by.clone_from(&request.actor);
            }
            self.takes_turn |= takes_turn(&before, &self.now, &new);
        }
        let appended = new.len();
        let is_made = is_change || appended > 0;
        let new = new.into_iter().map(|event| {
            let (number, at) = numbering.next(event.at);
            event.numbered(number, at)
        });
        Answer {
            session: self.now.clone(),
            events: new.collect(),
            appended,
            is_made,
            is_own: true,
            grown,
            is_over_quota: false,
        }
    }

    /// Returns the answer to a request that an earlier attempt has made.
    pub(super) fn made_before(&self, found: Vec<Event>) -> Answer {
        let session = self.now.clone();
        Answer { session, events: found, appended: 0, is_made: true, is_own: true, grown: 0, is_over_quota: false }
    }
}

/// Returns the bytes of the texts of a session that clients choose. What the service itself writes, such as an expiry,
/// is not among them, so that a session can still be renewed and ended while the quota is used up.
fn client_texts(session: &Session) -> usize {
    let texts = [&session.name, &session.description].into_iter().flatten().map(String::len).sum::<usize>();
    texts + session.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len())
}

/// Returns whether a change ends the turn of the replica that works on it: it ends or disables the session, or it
/// removes the turn of a session that replies to one message at a time, without being the reply.
fn takes_turn(before: &Session, now: &Session, appended: &[NewEvent]) -> bool {
    let Some(turn) = before.turn.filter(OpenTurn::is_held) else { return false };
    let is_over = |session: &Session| session.ended_at.is_some() || !session.enabled;
    let is_replied = || appended.iter().any(|event| event.id == turn.reply);
    let is_taken = now.turn.is_none_or(|other| other.reply != turn.reply) && now.dialect.replies_one_at_a_time();
    is_over(now) && !is_over(before) || is_taken && !is_replied()
}

impl ChangingSessions {
    pub(super) fn of_rows(rows: &HashMap<RowKey, SessionRow>) -> Result<Self, sqlx::Error> {
        let sessions = rows.iter().map(|(key, row)| Ok((*key, Session::try_from(row.clone())?)));
        let sessions = sessions.collect::<Result<Vec<_>, StoreError>>();
        sessions.map(Self::of).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    pub(super) fn of(sessions: impl IntoIterator<Item = (RowKey, Session)>) -> Self {
        let changing = |session: Session| ChangingSession {
            before: session.clone(),
            now: session,
            last_change: None,
            takes_turn: false,
            erased_by: None,
        };
        Self(sessions.into_iter().map(|(key, session)| (key, changing(session))).collect())
    }

    pub(super) fn get(&mut self, key: &RowKey) -> Option<&mut ChangingSession> {
        self.0.get_mut(key)
    }

    /// Returns the changed sessions in the order of their keys.
    pub(super) fn changed(&self) -> Vec<(RowKey, &ChangingSession)> {
        let changed = self.0.iter().filter(|(_, session)| session.last_change.is_some());
        let mut changed: Vec<_> = changed.map(|(key, session)| (*key, session)).collect();
        changed.sort_unstable_by_key(|(key, _)| *key);
        changed
    }
}
