//! Stores spans together with the other spans of their trace.
//!
//! A transaction locks the traces of its spans, reads their stored spans, and decides what every span is ([`Plan`]).
//! Stored spans that turn out to be something else are changed: a turn is no longer one because the span above it
//! arrived, or a conversation under the trace's id moves to the one that a span names. Writers of one trace run one
//! after another, so that the result does not depend on which was first.
//!
//! Locks are taken in one order: traces, sessions, counters, events, totals, each sorted by its key.

mod carried;
mod changes;
mod moves;
mod plan;
mod stored;
mod users;

use std::collections::{BTreeMap, HashMap, HashSet};

use self::changes::Changes;
use self::plan::Plan;
use super::add::Totals;
use super::request::CaptureRequest;
use super::write::{append, content_bytes, imply_sessions, name_users, start_counters, take_in};
use super::{recount, search, shown};
use crate::domain::trace::TraceId;
use crate::domain::{DialectName, EventId, KeyId, NewSpan, OrgId, SpanForm};
use crate::store::events;
use crate::store::group::Batch;
use crate::store::scope::WriterConnection;
use crate::store::sessions::RowKey;
use crate::store::usage_days::{Amounts, Used};
pub use carried::CarriedSpan;
pub(in crate::store) use carried::{PlacedSpan, read as read_carried, write as write_carried};
pub(in crate::store) use stored::lock as lock_traces;

/// Limit of spans of a trace that are considered together. Later spans are assigned by them and not changed later.
const MAX_SPANS: usize = 5_000;

/// Spans of one trace.
pub struct Request {
    pub org: OrgId,
    pub trace: TraceId,
    pub spans: Vec<NewSpan>,
    /// The API key whose usage is counted.
    pub used_by: Option<KeyId>,
}

/// The result of a request.
pub struct SpansTaken {
    /// The outcome of each span, in their order.
    pub outcomes: Vec<SpanOutcome>,
    /// Spans that were not stored before.
    events: i64,
    /// Sessions that the spans of the batch made, with the first request of their organization.
    sessions: i64,
}

type TraceKey = (OrgId, TraceId);

/// The outcome of a span.
#[derive(Clone, Debug)]
pub enum SpanOutcome {
    /// The span is stored.
    Stored,
    /// The span was stored before, at least as complete as this.
    Known,
    /// Another part of the span was stored before. The caller merges both and sends the result again with the revision.
    Unmerged(Box<Unmerged>),
}

/// Two parts of one span.
#[derive(Clone, Debug)]
pub struct Unmerged {
    pub revision: i32,
    pub form: SpanForm,
    /// What is stored.
    pub stored: String,
    pub sent: NewSpan,
}

pub enum CaptureSpans {}

impl Batch for CaptureSpans {
    const NAME: &'static str = "capture_spans";
    type Request = Request;
    type Answer = SpansTaken;
    type Memory = ();

    fn org(request: &Request) -> OrgId {
        request.org
    }

    fn bytes(request: &Request) -> usize {
        let span = |span: &NewSpan| content_bytes(&span.capture) + span.capture.grams.bytes() + span.facts.bytes();
        request.spans.iter().map(span).sum()
    }

    fn stored(request: &Request, taken: &SpansTaken) -> usize {
        let stored =
            request.spans.iter().zip(&taken.outcomes).filter(|(_, outcome)| matches!(outcome, SpanOutcome::Stored));
        stored.map(|(span, _)| content_bytes(&span.capture) + span.facts.bytes()).sum()
    }

    fn used(request: &Request, taken: &SpansTaken) -> Option<Used> {
        Some(Used {
            org: request.org,
            at: request.spans.first()?.capture.event.at,
            dialect: DialectName::Agnost.into(),
            agent: None,
            key: request.used_by,
            amounts: Amounts { sessions: taken.sessions, events: taken.events, ..Amounts::default() },
        })
    }

    fn route(request: &Request) -> u64 {
        let (high, low) = request.trace.0.as_u64_pair();
        high ^ low ^ request.org.0.as_u64_pair().1
    }

    async fn run(writer: &mut WriterConnection, requests: &[&Request]) -> Result<Vec<SpansTaken>, sqlx::Error> {
        let mut traces: BTreeMap<TraceKey, Vec<&NewSpan>> = BTreeMap::new();
        for request in requests {
            traces.entry((request.org, request.trace)).or_default().extend(&request.spans);
        }
        let mut orgs: Vec<OrgId> = traces.keys().map(|(org, _)| *org).collect();
        orgs.dedup();

        let mut attempts = 0;
        loop {
            let mut transaction = writer.begin(&orgs).await?;
            let locked: Vec<TraceKey> = traces.keys().copied().collect();
            let made = stored::lock(&mut transaction, &locked).await?;
            let known: Vec<TraceKey> = locked.iter().copied().filter(|trace| !made.contains(trace)).collect();
            let mut known = stored::read(&mut transaction, &known).await?;
            let plans: Vec<Plan> = traces
                .iter()
                .map(|(trace, spans)| Plan::of(*trace, known.remove(trace).unwrap_or_default(), spans))
                .collect();
            let changes = Changes::of(&plans);

            let implied = imply_sessions(&mut transaction, changes.sessions(&plans)).await?;
            name_users(&mut transaction, changes.users(&plans)).await?;
            users::rename(&mut transaction, &plans).await?;
            moves::lock_sources(&mut transaction, &changes).await?;
            let keys = changes.session_keys(&plans);
            start_counters(&mut transaction, &keys).await?;
            let mut numberings = events::numberings(&mut transaction, &keys).await?;
            let refilled: Vec<RowKey> =
                shown::emptied(&numberings).into_iter().filter(|key| changes.fills(&plans, *key)).collect();
            if !refilled.is_empty() && attempts == 0 {
                // Sessions are locked before counters, so these are shown again in an earlier transaction.
                transaction.rollback().await?;
                let mut transaction = writer.begin(&orgs).await?;
                shown::show(&mut transaction, &refilled).await?;
                transaction.commit().await?;
                attempts += 1;
                continue;
            }

            let before = changes::read(&mut transaction, &changes).await?;
            moves::carry_out(&mut transaction, &changes, &mut numberings).await?;
            changes::carry_out(&mut transaction, &changes).await?;
            let inserted: Vec<CaptureRequest> = plans.iter().flat_map(Plan::requests).collect();
            let inserted: Vec<&CaptureRequest> = inserted.iter().collect();
            let fresh = take_in(&mut transaction, &inserted).await?;
            let mut eventful: HashSet<RowKey> = fresh.iter().map(|request| request.key()).collect();
            eventful.extend(changes.targets());
            let (made, vain): (Vec<RowKey>, Vec<RowKey>) = implied.into_iter().partition(|key| eventful.contains(key));
            shown::withdraw(&mut transaction, &vain).await?;
            append(&mut transaction, &fresh, &mut numberings).await?;
            let after = changes.after(&before);
            let mut totals = Totals::of(&fresh);
            changes.replaced(&before, &after).for_each(|(before, after)| totals.replace(before, after));
            totals.add(&mut transaction).await?;
            recount::note(&mut transaction, &changes::recounted(&changes, &before, &after)).await?;
            search::add(&mut transaction, &fresh).await?;
            search::add_again(&mut transaction, &changes.indexed_again(&plans, &after)).await?;
            let mut fresh: HashSet<EventId> = fresh.iter().map(|request| request.capture.event.id).collect();
            stored::write(&mut transaction, &plans, &fresh).await?;
            let payloads = stored::payloads(&mut transaction, &plans).await?;
            transaction.commit().await?;
            let mut sessions: HashMap<OrgId, i64> = HashMap::new();
            for key in made {
                *sessions.entry(key.org).or_default() += 1;
            }
            let outcomes = outcomes(requests, &plans, &payloads);
            let taken = requests.iter().zip(outcomes).map(|(request, outcomes)| {
                let new = request.spans.iter().filter(|span| fresh.remove(&span.capture.event.id)).count();
                let sessions = sessions.remove(&request.org).unwrap_or_default();
                SpansTaken { outcomes, events: i64::try_from(new).unwrap_or(i64::MAX), sessions }
            });
            return Ok(taken.collect());
        }
    }
}

/// Returns the outcomes of each request's spans.
fn outcomes(
    requests: &[&Request],
    plans: &[Plan],
    payloads: &HashMap<EventId, stored::Payload>,
) -> Vec<Vec<SpanOutcome>> {
    let mut decided: HashMap<TraceKey, std::slice::Iter<'_, plan::Decision>> =
        plans.iter().map(|plan| (plan.trace, plan.decisions.iter())).collect();
    let outcome = |(span, decision): (&NewSpan, &plan::Decision)| match decision {
        plan::Decision::Store => SpanOutcome::Stored,
        plan::Decision::Know => SpanOutcome::Known,
        plan::Decision::Merge(id) => match payloads.get(id) {
            Some(stored::Payload { revision, form, text }) => {
                let (stored, sent) = (text.clone(), span.clone());
                SpanOutcome::Unmerged(Box::new(Unmerged { revision: *revision, form: *form, stored, sent }))
            }
            None => SpanOutcome::Known,
        },
    };
    requests
        .iter()
        .map(|request| {
            let decisions = decided.get_mut(&(request.org, request.trace));
            // The spans come first, because a zip ends without taking an item of its second iterator when the first is
            // at its end.
            request.spans.iter().zip(decisions.into_iter().flatten()).map(outcome).collect()
        })
        .collect()
}
