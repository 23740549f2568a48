//! `POST /v2/agents/{agent_key}/sessions/{session_key}/events` (docs/dialects/agent-key.md).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::compaction::{self, Compacted};
use super::form::Body;
use super::input::{CreateEvent, Input};
use super::stream;
use super::turn::{self, AppendedEvents, EventCaller, WhileRunning};
use super::wire::{INPUT_MESSAGE, SESSION_INTERRUPTED, TOOL_OUTPUT, WireEvent};
use crate::auth::Authenticator;
use crate::conversation::{self, Conversations};
use crate::dialects::agent_key::agents::Config;
use crate::dialects::agent_key::find::{self, FoundSession};
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::dialects::shared::reply_stream::StreamReader;
use crate::domain::event::EventVisibility;
use crate::domain::{Event, EventId, JsonText, NewEvent, Session};
use crate::http::{CostlyWork, PathOf, Rejection, Reply};
use crate::idempotency::{ClaimOutcome, IdempotencyGuard, IdempotencyKeyHeader};

/// Events that one compaction summarizes.
const MAX_COMPACTED: i64 = 5_000;

#[derive(Serialize, ToSchema)]
pub struct AgentResponse {
    /// The appended events, the input first.
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
/// An `input_message` is stored, and the agent's responder replies to it; with `stream_response` the reply streams as
/// server-sent events. A session accepts one message at a time: until the reply is complete, another message is 409. If
/// the same message is sent again while its reply is pending, or within 60 seconds after the reply failed, it is not
/// stored again: the response has the stored event and its reply. `interrupt` ends the reply at once: the call that
/// waits for it returns 201 with `session_interrupted`, a stream ends with `session_interrupted` and `end`, and the
/// part of the reply that has arrived is stored as an `agent_output` with `"interrupted": true`. `compact` replaces all
/// turns except the latest with a summary and hides them. A `tool_output` is only stored. Besides JSON, a message may
/// be sent as `multipart/form-data` with the fields `messages` (JSON) or `message` (text), and `stream_response`; files
/// are rejected.
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
        (
            status = 201,
            description = "The appended events, and the reply; with `stream_response` a stream of frames `data: {…}`, each with its `type`, the last of them `end`.",
            content((AgentResponse = "application/json"), (String = "text/event-stream"))
        ),
        (status = 403, description = "`forbidden`: the agent is disabled."),
        (status = 409, description = "The session is disabled, or another message still waits for its reply; retry after the number of seconds in `Retry-After`."),
        (status = 422, description = "There is nothing to compact."),
        (status = 502, description = "The message was stored, but no reply arrived. Send the same message again within 60 seconds to continue."),
        (status = 503, description = "The service is stopping. The message was stored; send it again."),
    )
)]
#[tracing::instrument(name = "agent_key.create_event", level = "debug", skip_all)]
pub async fn create_event(
    State(conversations): State<Conversations>,
    State(costly): State<CostlyWork>,
    State(authenticator): State<Arc<Authenticator>>,
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
                return Ok(append_and_wait(services, caller, path, event).await?.into_response());
            }
            (streams, Err(event))
        }
        Body::Json(request) => (request.body().streams()?, Ok(request)),
    };
    let request = match request {
        Ok(request) if !streams => {
            let work = move |caller, body| append_and_wait(services, caller, path, body);
            return Ok(request.respond(caller, work).await);
        }
        request => request,
    };
    let org = caller.principal.organization.id;
    let permit = services.conversations.stream_permits.acquire(org).ok_or(Rejection::TooManyStreams)?;
    let reader = StreamReader::new(permit, authenticator, caller.principal.clone());
    let (caller, event, guard) = match request {
        Err(event) => (caller, event, IdempotencyGuard::unkeyed()),
        Ok(request) => match request.claim(caller).await {
            ClaimOutcome::Respond(response) => return Ok(response),
            ClaimOutcome::Fresh(caller, event, guard) => (caller, event, guard),
        },
    };
    let caller = Arc::new(caller);
    match append(&services, &caller, &path, event).await {
        Ok(appended) => Ok(stream::response(appended, path.0, &caller, guard, reader)),
        Err(error) => {
            guard.hand_back::<AgentKeyDialect>(&error, caller.now()).await;
            Err(error)
        }
    }
}

/// What a message may need in addition to the store.
#[derive(Clone)]
struct Services {
    conversations: Conversations,
    costly: CostlyWork,
}

/// Appends the events of the body and begins the turn of a message, even if the client closes the connection.
async fn append(
    services: &Services,
    caller: &Arc<EventCaller>,
    path: &(String, String),
    event: CreateEvent,
) -> Result<AppendedEvents, AgentKeyError> {
    let (this, caller, path) = (services.clone(), Arc::clone(caller), path.clone());
    let appended = services.conversations.run_to_end(async move { append_events(&this, &caller, &path, event).await });
    appended.await.unwrap_or_else(|| Err(Rejection::Internal.into()))
}

async fn append_events(
    services: &Services,
    caller: &EventCaller,
    path: &(String, String),
    event: CreateEvent,
) -> Result<AppendedEvents, AgentKeyError> {
    let found = find::session(caller, path).await?;
    let new = |kind: &str, payload: JsonText| NewEvent {
        payload,
        ..NewEvent::of(EventId(caller.mint.uuid()), kind, caller.now())
    };
    match event.read()? {
        Input::Message(message) => turn::send(&services.conversations, caller, &found, &message).await,
        Input::Interrupt => {
            let interrupted = new(SESSION_INTERRUPTED, JsonText::empty_object());
            turn::append(caller, &found, vec![interrupted], WhileRunning::Interrupts).await
        }
        Input::ToolOutput(outputs) => {
            let outputs = outputs.into_iter().map(|payload| new(TOOL_OUTPUT, payload)).collect();
            turn::append(caller, &found, outputs, WhileRunning::Rejected).await
        }
        Input::Compact { up_to } => compact(&services.costly, caller, &found, up_to).await,
    }
}

/// Appends a summary of the visible events and hides the summarized events.
async fn compact(
    costly: &CostlyWork,
    caller: &EventCaller,
    found: &FoundSession,
    up_to: Option<EventId>,
) -> Result<AppendedEvents, AgentKeyError> {
    let _permit = costly.copy(caller.store.org())?;
    let mut events = compaction::outline(&caller.store, &found.session, MAX_COMPACTED).await?.rows;
    let end = match up_to {
        Some(id) => events.iter().position(|event| event.id == id).map(|index| index + 1).ok_or_else(|| {
            invalid("compact_up_to_event_id", "names an event that is not among the session's visible events")
        })?,
        None => {
            let keep = Config::of(&found.agent).keep_recent_inputs();
            let inputs: Vec<usize> = (0..events.len()).filter(|index| events[*index].kind == INPUT_MESSAGE).collect();
            inputs.len().checked_sub(keep).and_then(|first| inputs.get(first)).copied().unwrap_or(0)
        }
    };
    events.truncate(end);
    let compacted = Compacted::of(&events).ok_or(AgentKeyError::TooFewTurns)?;
    let event = compacted.event(EventId(caller.mint.uuid()), &caller.mint, caller.now())?;
    let appended = turn::append(caller, found, vec![event], WhileRunning::Rejected).await?;
    caller
        .store
        .sessions()
        .events(&appended.session)
        .set_visibility(&compacted.events, EventVisibility::Hidden)
        .await?;
    Ok(appended)
}

/// Appends the events of the body and waits for the reply.
async fn append_and_wait(
    services: Services,
    caller: EventCaller,
    path: (String, String),
    event: CreateEvent,
) -> Result<Reply<AgentResponse>, AgentKeyError> {
    let (deadline, caller) = (caller.answer_by(), Arc::new(caller));
    let AppendedEvents { session, mut events, reply } = append(&services, &caller, &path, event).await?;
    if let (Some(parts), Some(message)) = (reply, events.last()) {
        let outcome = conversation::outcome_by(deadline, parts).await;
        events.extend(turn::settled(&caller.store, &session, &path.0, message, outcome).await?);
    }
    Ok(Reply(StatusCode::CREATED, AgentResponse::new(&events, &session)))
}
