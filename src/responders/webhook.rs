//! Webhooks: programs of an organization that receive the message as JSON and respond with the reply.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::frames::{self, Piece, Wording};
use super::history::{self, Budget, Conversation};
use super::outbound::{Outbound, Post};
use super::text::Text;
use super::{Question, ReplyChunks, ResponderError};
use crate::domain::responder::Webhook;
use crate::domain::{Agent, AgentId, AgentKey, AgentNumber, JsonText, OrgId, Timestamp};
use crate::outbound::signature;

/// The body of a delivery.
#[derive(Serialize)]
struct Delivery<'a> {
    org_id: OrgId,
    dialect: &'static str,
    agent: Asked<'a>,
    session_id: &'a str,
    message: Sent<'a>,
    /// The newest turns before the message, oldest first. The first turn is the user's, the roles alternate and the
    /// last turn is a reply, so that the message can follow as the user's next turn.
    history: Conversation<'a>,
    /// The user's messages after that history that got no reply, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanswered: Vec<&'a str>,
    sent_at: Timestamp,
}

#[derive(Serialize)]
struct Asked<'a> {
    id: AgentId,
    key: &'a AgentKey,
    number: AgentNumber,
    name: &'a str,
}

#[derive(Serialize)]
struct Sent<'a> {
    id: Uuid,
    content: &'a str,
    metadata: Option<&'a JsonText>,
}

impl<'a> From<&'a Agent> for Asked<'a> {
    fn from(agent: &'a Agent) -> Self {
        Self { id: agent.id, key: &agent.key, number: agent.number, name: &agent.name }
    }
}

/// Delivers the message, only once, because a program that has acted on it must not act twice.
pub(super) async fn deliver(
    outbound: Outbound,
    hook: Webhook,
    question: Question,
) -> Result<ReplyChunks, ResponderError> {
    let body = body(&question)?;
    let secret = hook.secret_env.as_ref().map(|name| outbound.settings().secret(name)).transpose()?;
    let id = question.message_id.to_string();
    let headers = signature::headers(&signature::STANDARD, secret.as_slice(), &id, question.now, &body)
        .map_err(|_| ResponderError::Misconfigured("its secret is not whsec_ and 24 to 64 bytes in base64"))?;
    drop(question);
    let incoming = outbound.post(&Post { url: hook.url, headers, body: body.into() }).await?;
    frames::read(incoming, Wording { document, event }).await
}

fn body(question: &Question) -> Result<Vec<u8>, ResponderError> {
    let newest = Budget::default().newest(&question.history);
    let delivery = Delivery {
        org_id: question.org,
        dialect: question.api.as_str(),
        agent: Asked::from(&*question.agent),
        session_id: &question.session,
        message: Sent { id: question.message_id, content: &question.message, metadata: question.metadata.as_ref() },
        history: Conversation::of(newest).ending_in_reply(),
        unanswered: history::without_reply(newest),
        sent_at: question.now,
    };
    serde_json::to_vec(&delivery).map_err(|_| ResponderError::Misconfigured("the message cannot be written as JSON"))
}

/// A reply as a document or as the data of an event.
#[derive(Deserialize)]
struct WebhookReply {
    #[serde(alias = "text")]
    content: Text,
}

fn document(json: &str) -> Result<Text, ResponderError> {
    let reply: WebhookReply = serde_json::from_str(json)
        .map_err(|_| ResponderError::Garbled(r#"it is no JSON object such as {"content": "Hello"}"#))?;
    Ok(reply.content)
}

fn event(data: &str) -> Result<Piece, ResponderError> {
    Ok(Piece { text: document(data)?, is_last: false })
}
