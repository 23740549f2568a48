//! What a line has of a span beside its event: how it belongs to its trace.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::trace::{Identity, Rank, Role, SpanFacts, TraceId};
use crate::domain::{EventId, SpanForm, Timestamp};
use crate::store::CarriedSpan;

/// By what later spans of its trace are assigned, of a captured span (`agnost`).
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ExportedSpan)]
#[serde(deny_unknown_fields)]
pub struct LineSpan {
    pub trace_id: Uuid,
    /// The event of the span above it.
    pub parent_id: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = String, example = "model")]
    pub role: Role,
    /// A hash of the user's text, in decimal digits.
    pub asked: Option<String>,
    /// Whether it replied with a text.
    pub replied: bool,
    /// Whether it has an input or an output of any kind.
    pub has_content: bool,
    pub session: Option<LineIdentity>,
    pub user: Option<LineIdentity>,
    /// The agent that it names.
    pub agent: Option<String>,
    pub name: String,
    /// How complete it is: `logs`, `started` or `finished`.
    #[schema(value_type = String, example = "finished")]
    pub form: SpanForm,
    /// How many log records are part of it.
    pub logs: i32,
    pub revision: i32,
}

/// An id that a span names.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ExportedIdentity)]
#[serde(deny_unknown_fields)]
pub struct LineIdentity {
    pub id: String,
    /// How explicit its source is.
    #[schema(value_type = String, example = "application")]
    pub rank: Rank,
}

impl From<CarriedSpan> for LineSpan {
    fn from(span: CarriedSpan) -> Self {
        let CarriedSpan { trace, facts, form, logs, revision } = span;
        let identity = |identity: Option<Identity>| identity.map(|Identity { id, rank }| LineIdentity { id, rank });
        Self {
            trace_id: trace.0,
            parent_id: facts.parent.map(|id| id.0),
            started_at: facts.started,
            role: facts.role,
            asked: facts.asked.map(|hash| hash.to_string()),
            replied: facts.replied,
            has_content: facts.has_content,
            session: identity(facts.session),
            user: identity(facts.user),
            agent: facts.agent,
            name: facts.name,
            form,
            logs,
            revision,
        }
    }
}

impl LineSpan {
    /// Returns the span of an event; `None` if a number of it is not valid.
    #[must_use]
    pub fn read(self, event: Uuid) -> Option<CarriedSpan> {
        let asked = self.asked.map(|hash| hash.parse::<i64>()).transpose().ok()?;
        if self.logs < 0 || self.revision < 0 {
            return None;
        }
        let identity = |identity: Option<LineIdentity>| identity.map(|LineIdentity { id, rank }| Identity { id, rank });
        let facts = SpanFacts {
            id: EventId(event),
            parent: self.parent_id.map(EventId),
            started: self.started_at,
            role: self.role,
            asked,
            replied: self.replied,
            has_content: self.has_content,
            session: identity(self.session),
            user: identity(self.user),
            agent: self.agent,
            name: self.name,
        };
        let (trace, form) = (TraceId(self.trace_id), self.form);
        Some(CarriedSpan { trace, facts, form, logs: self.logs, revision: self.revision })
    }
}
