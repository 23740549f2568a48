//! Changes sessions and appends to them, in groups.
//!
//! A change is a rule: a plain function of the current session. Changes from any number of replicas are applied one
//! after another: most of them by comparing and swapping ([`super::unlocked`]), the others while the session's row is
//! locked.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::PgConnection;
use uuid::Uuid;

use super::erasures::{record_erasures, remove, request_erasures};
use super::unlocked::RecentSessions;
use super::write::write;
use super::{Appends, RowKey, SessionRow, unlocked};
use crate::domain::event::Numbering;
use crate::domain::{Actor, Event, EventId, KeyId, NewEvent, OpenTurn, OrgId, Session};
use crate::store::StoreError;
use crate::store::events;
use crate::store::feed::FeedKind;
use crate::store::group::Batch;
use crate::store::scope::WriterConnection;
use crate::store::signals::{self, Signal};
use crate::store::usage::{self, Use};
use crate::store::usage_days::{Amounts, Used};

/// Changes a session and returns the events to append to it.
type Rule = Box<dyn Fn(&mut Session) -> Vec<NewEvent> + Send + Sync>;

pub struct Request {
    pub(super) key: RowKey,
    /// Identifies this change, so that a change whose COMMIT was not confirmed is not made again.
    pub(super) nonce: Uuid,
    /// The events that the rule may append. If one of them exists, the change has been made.
    appends: Vec<EventId>,
    /// Bytes of the events that the rule may append.
    bytes: usize,
    rule: Rule,
    /// Whether the change may make the session's texts longer: not while the organization's storage quota is used up.
    may_grow: bool,
    /// Whose act the audit log records if the rule deletes the session; `None` for the service's own.
    actor: Option<Arc<Actor>>,
    /// The API key whose usage is counted.
    used_by: Option<KeyId>,
    /// Whether the rule ran for this attempt, or in an earlier one whose outcome is unknown.
    ran: AtomicBool,
    /// The answer, once it is committed. Another part of the batch may fail after that, and the batch is then executed
    /// again in parts.
    answer: Mutex<Option<Option<Answer>>>,
}

impl Request {
    pub fn new(
        key: RowKey,
        nonce: Uuid,
        appends: Appends,
        may_grow: bool,
        rule: Rule,
        actor: Option<Arc<Actor>>,
    ) -> Self {
        let Appends { ids, bytes } = appends;
        let (used_by, ran, answer) = (None, AtomicBool::new(false), Mutex::new(None));
        Self { key, nonce, appends: ids, bytes, rule, may_grow, actor, used_by, ran, answer }
    }

    /// Returns the request, counted as the usage of this API key.
    pub fn used_by(self, key: Option<KeyId>) -> Self {
        Self { used_by: key, ..self }
    }

    /// Returns whether the rule ran in an earlier attempt, which may have succeeded.
    pub(super) fn has_run(&self) -> bool {
        self.ran.load(Ordering::Relaxed)
    }

    /// Records that what the rule made was not stored, so that it counts as not run.
    pub(super) fn was_not_stored(&self) {
        self.ran.store(false, Ordering::Relaxed);
    }

    /// Records the answer, which is committed, or needs no commit because nothing was changed.
    pub(super) fn settle(&self, answer: Option<Answer>) {
        *self.answer() = Some(answer);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.answer().is_some()
    }

    fn answer(&self) -> MutexGuard<'_, Option<Option<Answer>>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn may_append(&self) -> bool {
        !self.appends.is_empty()
    }
}

/// A session after a change, and the events that the change appended.
pub struct Answer {
    pub session: Session,
    pub events: Vec<Event>,
    /// How many of the events this attempt appends; they are the last.
    appended: usize,
    /// Whether the session was changed or appended to, by this attempt or an earlier one.
    pub is_made: bool,
    /// Whether this change's own rule made it; otherwise another change appended the same events before.
    pub is_own: bool,
    /// Bytes by which the change made the session's texts longer.
    grown: usize,
    /// Whether the change was not made because it would have made the texts longer.
    pub is_over_quota: bool,
}

impl Answer {
    /// Returns the events that this attempt appends.
    pub(super) fn new_events(&self) -> &[Event] {
        &self.events[self.events.len() - self.appended..]
    }
}

pub enum ChangeSessions {}

impl Batch for ChangeSessions {
    const NAME: &'static str = "change_session";
    type Request = Request;
    /// `None` if there is no such session.
    type Answer = Option<Answer>;
    type Memory = RecentSessions;

    fn org(request: &Request) -> OrgId {
        request.key.org
    }

    fn bytes(request: &Request) -> usize {
        request.bytes
    }

    fn stored(request: &Request, answer: &Self::Answer) -> usize {
        let appended = |answer: &Answer| if answer.events.is_empty() { 0 } else { request.bytes };
        answer.as_ref().filter(|_| request.has_run()).map_or(0, |answer| appended(answer) + answer.grown)
    }

    fn used(request: &Request, answer: &Self::Answer) -> Option<Used> {
        let answer = answer.as_ref().filter(|_| request.has_run())?;
        let events = i64::try_from(answer.events.len()).unwrap_or(i64::MAX);
        let amounts = Amounts { events, ..Amounts::default() };
        let (at, session) = (answer.events.first()?.created_at, &answer.session);
        let (dialect, agent, key) = (session.dialect.into(), session.agent, request.used_by);
        Some(Used { org: request.key.org, at, dialect, agent, key, amounts })
    }

    fn route(request: &Request) -> u64 {
        request.key.route()
    }

    async fn run(
        writer: &mut WriterConnection<RecentSessions>,
        requests: &[&Request],
    ) -> Result<Vec<Self::Answer>, sqlx::Error> {
        let open = || requests.iter().copied().filter(|request| !request.is_settled()).collect::<Vec<_>>();
        unlocked::change(writer, &open()).await?;
        change_locked(writer, &open()).await?;
        Ok(requests.iter().map(|request| request.answer().take().flatten()).collect())
    }
}

/// Carries out requests while the rows of their sessions are locked.
async fn change_locked(
    writer: &mut WriterConnection<RecentSessions>,
    requests: &[&Request],
) -> Result<(), sqlx::Error> {
    if requests.is_empty() {
        return Ok(());
    }
    let mut keys = RowKey::sorted(requests.iter().map(|request| request.key));
    let orgs = RowKey::organizations(&keys);

    let mut transaction = writer.begin(&orgs).await?;
    let rows = SessionRow::lock(&mut transaction, &keys).await?;
    let wanted: Vec<(RowKey, EventId)> =
        requests.iter().flat_map(|request| request.appends.iter().map(|id| (request.key, *id))).collect();
    let known = events::known(&mut transaction, &wanted).await?;
    let appending: HashSet<RowKey> =
        requests.iter().filter(|request| request.may_append()).map(|request| request.key).collect();
    keys.retain(|key| appending.contains(key));
    let mut numberings = events::numberings(&mut transaction, &keys).await?;

    let mut sessions = ChangingSessions::of_rows(&rows)?;
    let made = made_before(requests, &rows, &known);
    let mut answers: Vec<Option<Answer>> = Vec::with_capacity(requests.len());
    let mut appended: HashMap<RowKey, usize> = HashMap::new();
    for (request, made) in requests.iter().zip(made) {
        let numbering = numberings.entry(request.key).or_insert(Numbering::START);
        let answer = sessions.get(&request.key).map(|session| {
            if !made {
                return session.apply(request, numbering);
            }
            let found = request.appends.iter().filter_map(|id| known.get(&(request.key, *id)).cloned());
            Answer { is_own: request.has_run(), ..session.made_before(found.collect()) }
        });
        *appended.entry(request.key).or_default() += answer.as_ref().map_or(0, |answer| answer.appended);
        answers.push(answer);
    }

    numberings.retain(|key, _| appended.get(key).is_some_and(|count| *count > 0));
    let new: Vec<(RowKey, &Event)> = new_events(requests, &answers).collect();
    if !new.is_empty() {
        events::append(&mut transaction, &new, &numberings).await?;
    }
    let changed = sessions.changed();
    let (removed, written): (Vec<_>, Vec<_>) = changed.iter().copied().partition(|(_, session)| session.is_removed());
    if !written.is_empty() {
        write(&mut transaction, &written).await?;
        request_erasures(&mut transaction, &written).await?;
    }
    if !removed.is_empty() {
        remove(&mut transaction, &removed).await?;
    }
    count_ends(&mut transaction, &changed).await?;
    let taken: Vec<Signal> =
        changed.iter().filter(|(_, session)| session.takes_turn).map(|(key, _)| Signal::Session(*key)).collect();
    signals::send(&mut transaction, &taken).await?;
    record_erasures(&mut transaction, &changed).await?;
    transaction.commit().await?;
    for (request, answer) in requests.iter().zip(answers) {
        request.settle(answer);
    }
    Ok(())
}

/// Returns the events that the requests append, with their sessions, in the order of the requests.
pub(super) fn new_events<'a>(
    requests: &'a [&Request],
    answers: &'a [Option<Answer>],
) -> impl Iterator<Item = (RowKey, &'a Event)> {
    requests.iter().zip(answers).flat_map(|(request, answer)| {
        let answer = answer.iter();
        answer.flat_map(|answer| answer.new_events().iter().map(|event| (request.key, event)))
    })
}

/// Returns which requests an earlier attempt has made: those whose events exist, the one whose nonce is in the row, and
/// those that ran before it in the same attempt. Requests of one session are made in their order, all in one
/// transaction.
fn made_before(
    requests: &[&Request],
    rows: &HashMap<RowKey, SessionRow>,
    known: &HashMap<(RowKey, EventId), Event>,
) -> Vec<bool> {
    let mut last: HashMap<RowKey, usize> = HashMap::new();
    for (place, request) in requests.iter().enumerate() {
        if rows.get(&request.key).is_some_and(|row| row.last_change == Some(request.nonce)) {
            last.insert(request.key, place);
        }
    }
    let made = |(place, request): (usize, &&Request)| {
        request.appends.iter().any(|id| known.contains_key(&(request.key, *id)))
            || last.get(&request.key).is_some_and(|&last| {
                let ran = |request: &Request| request.ran.load(Ordering::Relaxed);
                place == last || place < last && ran(request) && ran(requests[last])
            })
    };
    requests.iter().enumerate().map(made).collect()
}

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
    fn is_removed(&self) -> bool {
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
    fn made_before(&self, found: Vec<Event>) -> Answer {
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
    fn of_rows(rows: &HashMap<RowKey, SessionRow>) -> Result<Self, sqlx::Error> {
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

/// Adds the sessions that ended to the usage of their agents.
async fn count_ends(connection: &mut PgConnection, changed: &[(RowKey, &ChangingSession)]) -> Result<(), sqlx::Error> {
    let uses: Vec<Use> = changed
        .iter()
        .filter(|(_, locked)| locked.has_ended())
        .filter_map(|(key, locked)| Use::ended(key.org, &locked.now))
        .collect();
    usage::count(connection, &uses).await
}
