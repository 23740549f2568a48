//! `POST /v2/agents/{agent_key}/sessions/{session_key}/events` (apis/agent_key, section 10).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::compaction::{self, Compacted};
use super::form::Body;
use super::input::{CreateEvent, Input};
use super::stream;
use super::turn::{self, EventCaller, Turned, WhileRunning};
use super::wire::{INPUT_MESSAGE, SESSION_INTERRUPTED, TOOL_OUTPUT, WireEvent};
use crate::conversation::{self, Conversations, Parts};
use crate::dialects::agent_key::agents::Config;
use crate::dialects::agent_key::error::Envelope;
use crate::dialects::agent_key::find::{self, FoundSession};
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::{Event, EventId, JsonText, NewEvent, Session};
use crate::http::{CostlyWork, PathOf, Rejection, Reply};
use crate::idempotency::{ClaimOutcome, IdempotencyGuard, IdempotencyKeyHeader};
use crate::store::TenantStore;

/// Events that one compaction sums up.
const MAX_COMPACTED: i64 = 5_000;

#[derive(Serialize, ToSchema)]
pub struct AgentResponse {
    /// What was appended, the input first.
    events: Vec<WireEvent>,
    session_key: String,
}

impl AgentResponse {
    fn new(events: &[Event], session: &Session) -> Self {
        let wire = events.iter().map(|event| WireEvent::new(event, session)).collect();
        Self { events: wire, session_key: session.public_id.clone() }
    }
}

/// Create agent event
///
/// An `input_message` is stored and answered by the agent's responder; with `stream_response` the answer streams as
/// server-sent events. A session answers one message at a time: another one is 409 until then. The same message sent
/// again while it is being answered, or within 60 seconds after that failed, is stored once: the response has the event
/// that is there, and its answer. `interrupt` ends the answer at once: the call that waits for it returns 201 with
/// `session_interrupted`, a stream ends with `session_interrupted` and `end`, and what had come of the answer is stored
/// as an `agent_output` with `"interrupted": true`. `compact` hides all turns but the latest behind a summary. A
/// `tool_output` is kept. Beside JSON, a message may come as `multipart/form-data` with the fields `messages` (JSON) or
/// `message` (text), and `stream_response`; files are not taken.
#[utoipa::path(
    post,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/events",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
        IdempotencyKeyHeader,
    ),
    request_body = CreateEvent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "What was appended, and the answer; with `stream_response` a stream of frames `data: {…}`, each with its `type`, the last of them `end`.", body = AgentResponse),
        (status = 400, description = "`invalid_request`.", body = Envelope),
        (status = 401, description = "`unauthorized`.", body = Envelope),
        (status = 403, description = "`forbidden`: a missing scope, or a disabled agent.", body = Envelope),
        (status = 404, description = "No such agent, or no such session of it.", body = Envelope),
        (status = 409, description = "The session is disabled, or still answering another message; `Retry-After` says when to try again.", body = Envelope),
        (status = 422, description = "There is nothing to compact, or the `Idempotency-Key` belongs to a request with another body.", body = Envelope),
        (status = 429, description = "`rate_limit_exceeded`.", body = Envelope),
        (status = 502, description = "The message was stored, and no answer came. The same message sent again within 60 seconds continues it.", body = Envelope),
        (status = 503, description = "The service is stopping. The message was stored; send it again.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agent_key.create_event", level = "debug", skip_all)]
pub async fn create_event(
    State(conversations): State<Conversations>,
    State(costly): State<CostlyWork>,
    caller: EventCaller,
    path: PathOf<AgentKeyDialect, (String, String)>,
    body: Body,
) -> Result<Response, AgentKeyError> {
    let path = path.0;
    let services = Services { conversations, costly };
    let (streams, request) = match body {
        Body::Form(event) => {
            let streams = event.streams()?;
            if !streams {
                return Ok(answer(services, caller, path, event).await?.into_response());
            }
            (streams, Err(event))
        }
        Body::Json(request) => (request.body().streams()?, Ok(request)),
    };
    let request = match request {
        Ok(request) if !streams => {
            let answering = move |caller, body| answer(services, caller, path, body);
            return Ok(request.answer(caller, answering).await);
        }
        request => request,
    };
    let org = caller.principal.organization.id;
    let place = services.conversations.streams.take(org).ok_or(Rejection::TooManyStreams)?;
    let (caller, event, guard) = match request {
        Err(event) => (caller, event, IdempotencyGuard::unkeyed()),
        Ok(request) => match request.claim(caller).await {
            ClaimOutcome::Answered(response) => return Ok(response),
            ClaimOutcome::Fresh(caller, event, guard) => (caller, event, guard),
        },
    };
    let (now, clock) = (caller.now(), caller.clock.clone());
    match begin(&services, caller, path, event).await {
        Ok(begun) => Ok(stream::response(begun, clock, guard, place)),
        Err(error) => {
            guard.hand_back::<AgentKeyDialect>(&error, now).await;
            Err(error)
        }
    }
}

/// What a message may need beside the store.
#[derive(Clone)]
struct Services {
    conversations: Conversations,
    costly: CostlyWork,
}

/// What was appended at once, and the answer that is to come.
pub(super) struct Begun {
    pub session: Session,
    pub events: Vec<Event>,
    pub answer: Option<AnswerToCome>,
}

/// An answer that is to come, to the last of the events that were appended.
pub(super) struct AnswerToCome {
    pub parts: Parts,
    pub store: TenantStore,
    pub agent_key: String,
}

/// Does what the body asks for, up to the answer; also for a caller who hangs up.
async fn begin(
    services: &Services,
    caller: EventCaller,
    path: (String, String),
    event: CreateEvent,
) -> Result<Begun, AgentKeyError> {
    let this = services.clone();
    let begun = services.conversations.see_through(async move { take_in(&this, &caller, &path, event).await });
    begun.await.unwrap_or_else(|| Err(Rejection::Internal.into()))
}

async fn take_in(
    services: &Services,
    caller: &EventCaller,
    path: &(String, String),
    event: CreateEvent,
) -> Result<Begun, AgentKeyError> {
    let found = find::session(caller, path).await?;
    let new = |kind: &str, payload: JsonText| NewEvent {
        id: EventId(caller.mint.uuid()),
        public_id: None,
        parent: None,
        kind: kind.to_owned(),
        author_id: None,
        content: None,
        payload,
        hidden: false,
        at: caller.now(),
    };
    let appended = match event.read()? {
        Input::Message(message) => {
            let Turned { session, message, parts } =
                turn::say(&services.conversations, caller, &found, &message).await?;
            let (store, agent_key) = (caller.store.clone(), path.0.clone());
            let answer = parts.map(|parts| AnswerToCome { parts, store, agent_key });
            return Ok(Begun { session, events: vec![message], answer });
        }
        Input::Interrupt => {
            let interrupted = new(SESSION_INTERRUPTED, JsonText::empty_object());
            turn::append(caller, &found, vec![interrupted], WhileRunning::Interrupts).await?
        }
        Input::ToolOutput(outputs) => {
            let outputs = outputs.into_iter().map(|payload| new(TOOL_OUTPUT, payload)).collect();
            turn::append(caller, &found, outputs, WhileRunning::Rejected).await?
        }
        Input::Compact { up_to } => compact(&services.costly, caller, &found, up_to).await?,
    };
    Ok(Begun { session: appended.session, events: appended.events, answer: None })
}

/// Puts a summary behind what was said, and hides what it sums up.
async fn compact(
    costly: &CostlyWork,
    caller: &EventCaller,
    found: &FoundSession,
    up_to: Option<EventId>,
) -> Result<turn::Appended, AgentKeyError> {
    let _permit = costly.copy(caller.store.org())?;
    let mut events = compaction::outline(&caller.store, &found.session, MAX_COMPACTED).await?.rows;
    let end = match up_to {
        Some(id) => events.iter().position(|event| event.id == id).map(|place| place + 1).ok_or_else(|| {
            invalid("compact_up_to_event_id", "names an event that is not among the session's visible events")
        })?,
        None => {
            let keep = Config::of(&found.agent).keep_recent_inputs();
            let inputs: Vec<usize> = (0..events.len()).filter(|place| events[*place].kind == INPUT_MESSAGE).collect();
            inputs.len().checked_sub(keep).and_then(|first| inputs.get(first)).copied().unwrap_or(0)
        }
    };
    events.truncate(end);
    let compacted = Compacted::of(&events).ok_or(AgentKeyError::TooFewTurns)?;
    let event = compacted.event(EventId(caller.mint.uuid()), &caller.mint, caller.now())?;
    let appended = turn::append(caller, found, vec![event], WhileRunning::Rejected).await?;
    caller.store.sessions().events(&appended.session).hide(&compacted.events, true).await?;
    Ok(appended)
}

/// Does what the body asks for, and waits for the answer.
async fn answer(
    services: Services,
    caller: EventCaller,
    path: (String, String),
    event: CreateEvent,
) -> Result<Reply<AgentResponse>, AgentKeyError> {
    let deadline = caller.answer_by();
    let Begun { session, mut events, answer } = begin(&services, caller, path, event).await?;
    if let (Some(AnswerToCome { parts, store, agent_key }), Some(message)) = (answer, events.last()) {
        let outcome = conversation::outcome_by(deadline, parts).await;
        events.extend(turn::settled(&store, &session, &agent_key, message, outcome).await?);
    }
    Ok(Reply(StatusCode::CREATED, AgentResponse::new(&events, &session)))
}
