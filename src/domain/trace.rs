//! What a trace is in a conversation: which of its spans are turns, whose they are, and in which session.
//!
//! Spans come in several exports, in any order, to several replicas. So every decision here is a function of the set of
//! spans that are known: whatever order they came in, the same set comes to the same.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{EventId, Timestamp};

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub Uuid);

impl TraceId {
    /// Returns the id that a trace's conversation has where no span names one: in hexadecimal.
    #[must_use]
    pub fn session_name(self) -> String {
        self.0.simple().to_string()
    }
}

/// How explicit a source of an id is: the first counts most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Rank {
    /// Meant for this service.
    Direct = 0,
    /// The application's own session or user.
    Application = 1,
    /// The application's conversation, thread or chat; a customer.
    Conversation = 2,
    /// Something of the application that several conversations can have in common.
    Incidental = 3,
    /// Made up by a framework, perhaps for each run.
    Run = 4,
    /// Of the process that sent the span.
    Resource = 5,
}

impl Rank {
    pub const ALL: [Self; 6] =
        [Self::Direct, Self::Application, Self::Conversation, Self::Incidental, Self::Run, Self::Resource];

    /// Returns the rank that a number stands for.
    #[must_use]
    pub fn of(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| *rank as i16 == code)
    }
}

/// An id and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub id: String,
    pub rank: Rank,
}

/// What a span does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum Role {
    Other = 0,
    /// It serves a request of another process.
    Request = 1,
    Agent = 2,
    Model = 3,
    Tool = 4,
    /// It looks something up, checks or measures, and speaks with no user.
    Quiet = 5,
    /// Its sender says that it is a turn.
    Turn = 6,
    /// Its sender says that it is none.
    Span = 7,
}

impl Role {
    const ALL: [Self; 8] =
        [Self::Other, Self::Request, Self::Agent, Self::Model, Self::Tool, Self::Quiet, Self::Turn, Self::Span];

    /// Returns the role that a number stands for.
    #[must_use]
    pub fn of(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as i16 == code)
    }

    fn can_speak(self) -> bool {
        !matches!(self, Self::Tool | Self::Quiet | Self::Span)
    }
}

/// What a span says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanFacts {
    pub id: EventId,
    pub parent: Option<EventId>,
    pub started: Timestamp,
    pub role: Role,
    /// A hash of the user's words, where there are any.
    pub asked: Option<i64>,
    /// Whether it replied with a text.
    pub replied: bool,
    /// Whether it has an input or an output of any kind.
    pub has_content: bool,
    pub session: Option<Identity>,
    pub user: Option<Identity>,
    /// The agent that it names.
    pub agent: Option<String>,
    /// Its own name.
    pub name: String,
}

impl SpanFacts {
    /// Bytes of a session's or a user's id that are stored.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let id = |identity: &Option<Identity>| identity.as_ref().map_or(0, |identity| identity.id.len());
        id(&self.session) + id(&self.user) + self.agent.as_ref().map_or(0, String::len) + self.name.len()
    }

    fn speaks(&self) -> bool {
        self.role == Role::Turn || (self.role.can_speak() && (self.asked.is_some() || self.replied || self.has_content))
    }
}

/// The kinds of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    Turn,
    Tool,
    Span,
}

impl SpanKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Tool => "tool",
            Self::Span => "span",
        }
    }
}

/// What a span is within its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub kind: SpanKind,
    pub name: String,
    /// `None`: the trace stands for itself.
    pub session: Option<String>,
    pub user: Option<String>,
}

/// Returns what each span is, in their order.
#[must_use]
pub fn place(spans: &[SpanFacts]) -> Vec<Placement> {
    // In the order of their ids, so that nothing depends on the order in which they came.
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|at| spans[*at].id);
    let tree = Tree::of(order.iter().map(|at| &spans[*at]).collect());
    let sessions = tree.identities(|span| span.session.as_ref());
    let users = tree.identities(|span| span.user.as_ref());
    let turns = tree.turns(&sessions);
    let placed = tree.spans.iter().enumerate().map(|(at, span)| {
        let kind = match span.role {
            Role::Tool => SpanKind::Tool,
            _ if turns.contains(&at) => SpanKind::Turn,
            _ => SpanKind::Span,
        };
        let agent = (kind == SpanKind::Turn).then(|| tree.agent(at)).flatten();
        let name = agent.unwrap_or(&span.name).to_owned();
        Placement { kind, name, session: sessions[at].cloned(), user: users[at].cloned() }
    });
    let mut placed: Vec<(usize, Placement)> = order.into_iter().zip(placed).collect();
    placed.sort_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, placement)| placement).collect()
}

/// Spans that call each other.
struct Tree<'s> {
    spans: Vec<&'s SpanFacts>,
    parents: Vec<Option<usize>>,
}

impl<'s> Tree<'s> {
    fn of(spans: Vec<&'s SpanFacts>) -> Self {
        let places: HashMap<EventId, usize> = spans.iter().enumerate().map(|(at, span)| (span.id, at)).collect();
        let mut parents: Vec<Option<usize>> =
            spans.iter().map(|span| span.parent.and_then(|parent| places.get(&parent).copied())).collect();
        // Spans that are each other's parents: cut where the chain comes back to itself.
        let mut checked = vec![false; spans.len()];
        for start in 0..spans.len() {
            let (mut at, mut path) = (start, HashSet::new());
            while !checked[at] && path.insert(at) {
                match parents[at] {
                    Some(parent) if path.contains(&parent) => {
                        parents[at] = None;
                        break;
                    }
                    Some(parent) => at = parent,
                    None => break,
                }
            }
            path.into_iter().for_each(|at| checked[at] = true);
        }
        Self { spans, parents }
    }

    fn ancestors(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.parents[at], |at| self.parents[*at])
    }

    /// Returns whose each span is: of its own id, that of its nearest ancestor that has one and that of the trace's, the
    /// most explicit.
    fn identities(&self, identity: impl Fn(&'s SpanFacts) -> Option<&'s Identity>) -> Vec<Option<&'s String>> {
        let first = self
            .spans
            .iter()
            .filter_map(|span| Some((*span, identity(span)?)))
            .min_by_key(|(span, identity)| (identity.rank, span.started, span.id))
            .map(|(_, identity)| identity);
        let Some(first) = first else { return vec![None; self.spans.len()] };
        // From the top down, so that each looks at its parent only.
        let mut found: Vec<Option<&Identity>> = vec![None; self.spans.len()];
        for at in self.in_order_from_top() {
            let inherited = self.parents[at].and_then(|parent| found[parent]);
            let candidates = [identity(self.spans[at]), inherited];
            found[at] = candidates.into_iter().flatten().min_by_key(|identity| identity.rank);
        }
        let most_explicit = |found: Option<&'s Identity>| match found {
            Some(found) if found.rank <= first.rank => &found.id,
            _ => &first.id,
        };
        found.into_iter().map(|found| Some(most_explicit(found))).collect()
    }

    /// Returns all spans, each after its parent.
    fn in_order_from_top(&self) -> Vec<usize> {
        let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut order = Vec::with_capacity(self.spans.len());
        for (at, parent) in self.parents.iter().enumerate() {
            match parent {
                Some(parent) => children.entry(*parent).or_default().push(at),
                None => order.push(at),
            }
        }
        let mut next = 0;
        while let Some(at) = order.get(next) {
            next += 1;
            if let Some(below) = children.remove(at) {
                order.extend(below);
            }
        }
        order
    }

    /// Returns the spans that are turns: the topmost that speak, and of those of one request the one that has the reply.
    fn turns(&self, sessions: &[Option<&String>]) -> HashSet<usize> {
        // Whether a span is below one that speaks, or below a tool, whose callers speak.
        let mut is_below = vec![false; self.spans.len()];
        for at in self.in_order_from_top() {
            if let Some(parent) = self.parents[at] {
                let parent_span = self.spans[parent];
                is_below[at] = is_below[parent] || parent_span.role == Role::Tool || parent_span.speaks();
            }
        }
        let topmost = (0..self.spans.len()).filter(|at| self.spans[*at].speaks() && !is_below[*at]);
        let mut turns: HashMap<Request<'_>, usize> = HashMap::new();
        for at in topmost {
            let request = self.request(at, sessions[at].map(String::as_str));
            let best = turns.entry(request).or_insert(at);
            if self.weight(at) > self.weight(*best) {
                *best = at;
            }
        }
        // A model call without the user's words belongs to the turn beside it that has them.
        let asked: HashSet<(Option<&str>, Scope)> = turns
            .iter()
            .filter(|(_, at)| self.spans[**at].asked.is_some())
            .map(|(request, _)| (request.session, request.scope))
            .collect();
        let is_part = |request: &Request<'_>, at: usize| {
            let span = self.spans[at];
            span.role == Role::Model && span.asked.is_none() && asked.contains(&(request.session, request.scope))
        };
        let mut turns: HashSet<usize> =
            turns.iter().filter(|(request, at)| !is_part(request, **at)).map(|(_, at)| *at).collect();
        let declared = (0..self.spans.len()).filter(|at| self.spans[*at].role == Role::Turn);
        turns.extend(declared);
        turns
    }

    /// Returns what makes topmost spans one turn.
    fn request<'t>(&'t self, at: usize, session: Option<&'t str>) -> Request<'t> {
        let span = self.spans[at];
        if span.role == Role::Turn {
            return Request { session, scope: Scope::Span(span.id), asked: None };
        }
        let is_request = |role| role == Role::Request;
        if let Some(request) = self.ancestors(at).find(|at| is_request(self.spans[*at].role)) {
            return Request { session, scope: Scope::Span(self.spans[request].id), asked: None };
        }
        // Model calls of one agent are one turn; other spans are one where they were asked the same.
        let agent = self.ancestors(at).find(|at| self.spans[*at].role == Role::Agent);
        match agent {
            Some(agent) if span.role != Role::Agent => {
                // Below agents that say nothing, the topmost one stands for the run.
                let top =
                    self.ancestors(agent).filter(|at| self.spans[*at].role == Role::Agent).last().unwrap_or(agent);
                Request { session, scope: Scope::Span(self.spans[top].id), asked: None }
            }
            _ => Request { session, scope: self.above(at), asked: span.asked.or(Some(hash_of(span))) },
        }
    }

    /// Returns what is above a span: its topmost known ancestor, or the parent that did not come.
    fn above(&self, at: usize) -> Scope {
        let top = self.ancestors(at).last().unwrap_or(at);
        match self.spans[top].parent {
            Some(missing) if self.parents[top].is_none() => Scope::Span(missing),
            _ => Scope::Trace,
        }
    }

    /// Returns how well a span shows a turn: a reply and a question, an agent's, the last.
    fn weight(&self, at: usize) -> (bool, bool, bool, Timestamp, EventId) {
        let span = self.spans[at];
        let is_whole = span.replied && span.asked.is_some();
        (is_whole, span.role == Role::Agent, span.replied, span.started, span.id)
    }

    /// Returns the agent of a turn: the one that it names, or that its nearest ancestor names.
    fn agent(&self, at: usize) -> Option<&'s str> {
        let span = self.spans[at];
        if let Some(agent) = &span.agent {
            return Some(agent);
        }
        if span.role == Role::Agent {
            return None;
        }
        self.ancestors(at).find_map(|at| {
            let above = self.spans[at];
            above.agent.as_deref().or((above.role == Role::Agent).then_some(above.name.as_str()))
        })
    }
}

/// A span without the user's words is a turn of its own.
fn hash_of(span: &SpanFacts) -> i64 {
    span.id.0.as_u64_pair().0 as i64
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Trace,
    Span(EventId),
}

/// What the topmost spans of one turn have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request<'s> {
    session: Option<&'s str>,
    scope: Scope,
    asked: Option<i64>,
}

#[cfg(test)]
mod tests;
