//! `POST /sessionary/v1/agents/{agent_id}/replies`.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::agent;
use crate::auth::{Caller, purpose};
use crate::conversation::{Conversations, NoReply};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{AgentRef, ApiName, JsonField, JsonText};
use crate::http::{JsonBody, PathOf, Rejection, Reply};
use crate::responders::{Question, Speaker, Utterance};

/// Messages of a history, and bytes of their texts together.
const MAX_MESSAGES: usize = 200;
const MAX_BYTES: usize = 256 * 1024;

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct AskAgent {
    /// 1 to 200 messages, oldest first, of 256 KiB together. The last one is the user's.
    messages: Vec<AskedMessage>,
}

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct AskedMessage {
    /// `user` or `assistant`.
    #[schema(example = "user")]
    role: String,
    #[schema(example = "Where is my order?")]
    text: String,
}

/// A reply.
#[derive(Serialize, ToSchema)]
pub struct ReplyOfAgent {
    text: String,
}

/// Ask an agent
///
/// The agent's responder replies to the given messages. Nothing is stored.
#[utoipa::path(
    post,
    path = "/sessionary/v1/agents/{agent_id}/replies",
    params(("agent_id" = uuid::Uuid, Path, description = "The agent's id.")),
    request_body = AskAgent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The reply.", body = ReplyOfAgent),
        (status = 409, description = "The agent is disabled."),
        (status = 422, description = "The body is not valid, or the agent has no responder."),
        (status = 429, description = "The organization has too many turns in progress."),
        (status = 502, description = "The responder did not reply."),
    )
)]
#[tracing::instrument(name = "sessionary.reply_of_agent", level = "debug", skip_all)]
pub async fn reply_of_agent(
    State(conversations): State<Conversations>,
    caller: Caller<Sessionary, purpose::WriteEvents>,
    path: PathOf<Sessionary, String>,
    body: JsonBody<Sessionary, Members>,
) -> Result<Reply<ReplyOfAgent>, SessionaryError> {
    let id = agent::id_of(&path.0)?;
    let mut history = messages(body.0)?;
    let message = history.pop().ok_or(Rejection::Internal)?.text;
    let agent = caller.store.agents().find(&AgentRef::Id(id)).await?.ok_or(agent::MISSING)?;
    if !agent.enabled {
        return Err(SessionaryError::Conflict { code: "agent_disabled", detail: "The agent is disabled.".to_owned() });
    }
    let responder = agent.responder_or(&caller.principal.organization.responder).clone();
    let question = Question {
        org: caller.store.org(),
        api: ApiName::Sessionary,
        agent,
        session: String::new(),
        message_id: caller.mint.uuid(),
        message,
        history,
        metadata: None,
        now: caller.now(),
    };
    match conversations.reply_once(&responder, question, caller.answer_by()).await {
        Ok(text) => Ok(Reply(StatusCode::OK, ReplyOfAgent { text })),
        Err(NoReply::NoResponder) => {
            Err(SessionaryError::Unusable { code: "no_responder", detail: "The agent has no responder." })
        }
        Err(NoReply::Busy) => Err(Rejection::TooManyConcurrent.into()),
        Err(NoReply::Stopping) => Err(Rejection::Unavailable.into()),
        Err(NoReply::TimedOut) => Err(SessionaryError::NoReply("The responder did not reply in time.".to_owned())),
        Err(NoReply::Failed(error)) => {
            let error = error.to_string();
            let mut letters = error.chars();
            let sentence = letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str()));
            Err(SessionaryError::NoReply(sentence.unwrap_or_default()))
        }
    }
}

/// Reads the messages of a body, the last of which is the user's.
fn messages(mut body: Members) -> Result<Vec<Utterance>, SessionaryError> {
    let expected = format!("an array of 1 to {MAX_MESSAGES} messages");
    let given = body.read("messages", &expected, |given| match given {
        JsonField::Array(json) => json.read::<Vec<JsonText>>().ok().filter(|m| (1..=MAX_MESSAGES).contains(&m.len())),
        _ => None,
    });
    let given = body.required("messages", given).unwrap_or_default();
    let mut utterances = Vec::with_capacity(given.len());
    for (index, message) in given.iter().enumerate() {
        let mut inner = Members::within(message, format!("/messages/{index}"));
        let speaker = inner.read("role", "user or assistant", |role| match role.as_str()? {
            "user" => Some(Speaker::User),
            "assistant" => Some(Speaker::Agent),
            _ => None,
        });
        let text = inner.read("text", "a string that is not empty", |text| {
            text.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
        });
        if let (Some(speaker), Some(text)) = (inner.required("role", speaker), inner.required("text", text)) {
            utterances.push(Utterance { speaker, text });
        }
        body.join(inner);
    }
    if utterances.iter().map(|utterance| utterance.text.len()).sum::<usize>() > MAX_BYTES {
        body.fault("messages", format!("must have at most {MAX_BYTES} bytes of text"));
    }
    if utterances.len() == given.len() && utterances.last().is_some_and(|last| last.speaker != Speaker::User) {
        body.fault("messages", "must end with a message of the user");
    }
    body.finish()?;
    Ok(utterances)
}
