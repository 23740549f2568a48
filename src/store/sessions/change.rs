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

use super::changing::{ChangingSession, ChangingSessions};
use super::erasures::{record_erasures, remove, request_erasures};
use super::unlocked::RecentSessions;
use super::write::write;
use super::{Appends, RowKey, SessionRow, unlocked};
use crate::domain::event::Numbering;
use crate::domain::{Actor, Event, EventId, KeyId, NewEvent, OrgId, Session};
use crate::store::events;
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
    pub(super) rule: Rule,
    /// Whether the change may make the session's texts longer: not while the organization's storage quota is used up.
    pub(super) may_grow: bool,
    /// Whose act the audit log records if the rule deletes the session; `None` for the service's own.
    pub(super) actor: Option<Arc<Actor>>,
    /// The API key whose usage is counted.
    used_by: Option<KeyId>,
    /// Whether the rule ran for this attempt, or in an earlier one whose outcome is unknown.
    pub(super) ran: AtomicBool,
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
    pub(super) appended: usize,
    /// Whether the session was changed or appended to, by this attempt or an earlier one.
    pub is_made: bool,
    /// Whether this change's own rule made it; otherwise another change appended the same events before.
    pub is_own: bool,
    /// Bytes by which the change made the session's texts longer.
    pub(super) grown: usize,
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

/// Adds the sessions that ended to the usage of their agents.
async fn count_ends(connection: &mut PgConnection, changed: &[(RowKey, &ChangingSession)]) -> Result<(), sqlx::Error> {
    let uses: Vec<Use> = changed
        .iter()
        .filter(|(_, locked)| locked.has_ended())
        .filter_map(|(key, locked)| Use::ended(key.org, &locked.now))
        .collect();
    usage::count(connection, &uses).await
}
