//! Decides what to do with the spans of one trace.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{MAX_SPANS, TraceKey};
use crate::domain::trace::{Placement, SpanFacts, SpanKind, place};
use crate::domain::{EventId, NewSession, NewSpan, SessionId, SpanForm};
use crate::store::captures::request::CaptureRequest;

/// A span that is stored.
#[derive(Clone, Debug)]
pub struct StoredSpan {
    pub facts: SpanFacts,
    pub form: SpanForm,
    pub logs: i32,
    pub revision: i32,
    pub session: SessionId,
    pub kind: String,
    pub name: String,
}

/// What to do with a received span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Store,
    Know,
    /// Another part of this event is stored.
    Merge(EventId),
}

/// A span of the trace, stored or about to be.
pub struct Entry<'r> {
    pub facts: SpanFacts,
    pub form: SpanForm,
    pub logs: i32,
    pub revision: i32,
    pub before: Option<StoredSpan>,
    /// What is written: the whole span if it is new, its content if that changes.
    pub written: Option<&'r NewSpan>,
    pub placement: Placement,
    /// The id of its session's name.
    pub session: SessionId,
    /// Whether it is one of the spans that later ones are assigned by.
    pub is_tracked: bool,
}

impl Entry<'_> {
    pub fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// Returns the name of its session.
    pub fn session_name(&self, trace: TraceKey) -> String {
        session_name(&self.placement, trace)
    }
}

/// The spans of one trace.
pub struct Plan<'r> {
    pub trace: TraceKey,
    pub entries: Vec<Entry<'r>>,
    /// The decisions about the received spans, in their order.
    pub decisions: Vec<Decision>,
    /// Sessions that got their user from this trace, with that user and a more explicit one.
    pub renamed: BTreeMap<SessionId, (String, String)>,
}

impl<'r> Plan<'r> {
    pub fn of(trace: TraceKey, stored: Vec<StoredSpan>, spans: &[&'r NewSpan]) -> Self {
        let mut places: HashMap<EventId, usize> =
            stored.iter().enumerate().map(|(at, span)| (span.facts.id, at)).collect();
        let mut entries: Vec<Entry<'r>> = stored.into_iter().map(Entry::of_stored).collect();
        let mut decisions = Vec::with_capacity(spans.len());
        for span in spans {
            let decision = match places.get(&span.facts.id) {
                None => {
                    places.insert(span.facts.id, entries.len());
                    let is_tracked = entries.len() < MAX_SPANS;
                    entries.push(Entry::of_new(span, is_tracked));
                    Decision::Store
                }
                Some(at) => entries[*at].meet(span),
            };
            decisions.push(decision);
        }
        let placements = place(entries.iter().map(|entry| &entry.facts));
        // An id is a hash of a session's name, of which a trace has few.
        let mut sessions: HashMap<Option<String>, SessionId> = HashMap::new();
        for (entry, placement) in entries.iter_mut().zip(placements) {
            let known = sessions.get(&placement.session).copied();
            entry.session = known.unwrap_or_else(|| {
                let id = SessionId::from_agnost(&session_name(&placement, trace));
                sessions.insert(placement.session.clone(), id);
                id
            });
            entry.placement = placement;
        }
        let mut plan = Self { trace, entries, decisions, renamed: BTreeMap::new() };
        if spans.iter().any(|span| span.facts.user.is_some()) && plan.names_several_users() {
            let before = plan.entries.iter().filter_map(|entry| Some(&entry.before.as_ref()?.facts));
            plan.rename(place(before));
        }
        plan
    }

    /// Returns whether spans name different users, now or before.
    fn names_several_users(&self) -> bool {
        let named = self.entries.iter().flat_map(|entry| {
            let before = entry.before.as_ref().and_then(|span| span.facts.user.as_ref());
            [entry.facts.user.as_ref(), before]
        });
        let mut users = named.flatten().map(|user| &user.id);
        let first = users.next();
        users.any(|user| Some(user) != first)
    }

    /// Notes the sessions whose user changes because of the received spans.
    fn rename(&mut self, before: Vec<Placement>) {
        for (entry, before) in self.entries.iter().zip(before) {
            if let (Some(old), Some(new)) = (before.user, &entry.placement.user)
                && old != *new
            {
                self.renamed.insert(entry.session, (old, new.clone()));
            }
        }
    }

    /// Returns what is written of the new spans.
    pub fn requests(&self) -> impl Iterator<Item = CaptureRequest> + '_ {
        self.entries.iter().filter(|entry| entry.is_new()).filter_map(|entry| {
            let mut capture = entry.written?.capture.clone();
            capture.session.public_id = entry.session_name(self.trace);
            capture.session.id = SessionId::from_agnost(&capture.session.public_id);
            capture.event.kind = entry.placement.kind.as_str().to_owned();
            if entry.placement.name != entry.facts.name {
                capture.event.author_id = Some(entry.placement.name.clone());
                capture.facts.name = entry.placement.name.clone();
            }
            Some(CaptureRequest { org: self.trace.0, capture, used_by: None })
        })
    }

    /// Returns the session that a span implies, or `None` if no span of the trace was received.
    pub fn implied(&self, entry: &Entry<'_>) -> Option<NewSession> {
        let template = &self.entries.iter().find_map(|entry| entry.written)?.capture.session;
        let public_id = entry.session_name(self.trace);
        let id = SessionId::from_agnost(&public_id);
        let began = self
            .entries
            .iter()
            .filter(|other| other.placement.session == entry.placement.session)
            .map(|other| other.facts.started)
            .min();
        let created_at = began.map_or(template.created_at, |began| began.min(template.created_at));
        Some(NewSession { id, public_id, user_id: entry.placement.user.clone(), created_at, ..template.clone() })
    }
}

impl<'r> Entry<'r> {
    fn of_stored(span: StoredSpan) -> Self {
        let StoredSpan { facts, form, logs, revision, .. } = &span;
        Self {
            facts: facts.clone(),
            form: *form,
            logs: *logs,
            revision: *revision,
            before: Some(span),
            written: None,
            placement: nowhere(),
            session: SessionId(Uuid::nil()),
            is_tracked: true,
        }
    }

    fn of_new(span: &'r NewSpan, is_tracked: bool) -> Self {
        Self {
            facts: span.facts.clone(),
            form: span.form,
            logs: span.logs,
            revision: 0,
            before: None,
            written: Some(span),
            placement: nowhere(),
            session: SessionId(Uuid::nil()),
            is_tracked,
        }
    }

    /// Decides about a received span that is stored already.
    fn meet(&mut self, span: &'r NewSpan) -> Decision {
        let is_merged = span.merged.is_some_and(|revision| revision == self.revision) && self.written.is_none();
        let has_logs = self.logs > 0 || span.logs > 0;
        if !is_merged {
            if span.logs == 0 && span.form <= self.form {
                return Decision::Know;
            }
            if has_logs {
                return Decision::Merge(self.facts.id);
            }
        }
        self.facts = span.facts.clone();
        self.form = span.form;
        self.logs = span.logs;
        self.revision += i32::from(self.before.is_some());
        self.written = Some(span);
        Decision::Store
    }
}

fn session_name(placement: &Placement, trace: TraceKey) -> String {
    placement.session.clone().unwrap_or_else(|| trace.1.session_name())
}

fn nowhere() -> Placement {
    Placement { kind: SpanKind::Span, name: String::new(), session: None, user: None }
}
