//! Models behind the chat completions API: `POST {base_url}/chat/completions`
//! (<https://platform.openai.com/docs/api-reference/chat>).

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::frames::{self, Piece, Wording};
use super::history::{Budget, Conversation, Message, Role};
use super::outbound::{Outbound, Post};
use super::text::Text;
use super::{Question, ReplyChunks, ResponderError, RespondersSettings};
use crate::domain::responder::{HttpUrl, OpenAi};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
}

/// Asks the model, and a second time after a temporary error. Returns the reply once it has begun.
///
/// A model may reject the question because of an earlier message that failed: one that its filter rejects, or that is
/// too long. So that such a message does not end the conversation for good, the question is asked once more without the
/// messages that no reply followed.
pub(super) async fn ask(
    outbound: Outbound,
    endpoint: OpenAi,
    question: Question,
) -> Result<ReplyChunks, ResponderError> {
    let mut post = Post {
        url: completions(&endpoint.base_url)?,
        headers: headers(&endpoint, outbound.settings())?,
        body: body(&endpoint, &question, Including::Everything)?.into(),
    };
    let replied = Bytes::from(body(&endpoint, &question, Including::OnlyReplied)?);
    let mut replied = Some(replied).filter(|replied| *replied != post.body);
    drop(question);
    let incoming = match outbound.post_twice(&post).await {
        Err(ResponderError::Rejected(status)) if rejects_content(status) && replied.is_some() => {
            post.body = replied.take().unwrap_or_default();
            outbound.post(&post).await?
        }
        outcome => outcome?,
    };
    frames::read(incoming, Wording { document, event }).await
}

/// Which of the earlier messages are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Including {
    Everything,
    OnlyReplied,
}

/// Returns whether a status means that the model rejected the content of the request.
fn rejects_content(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY)
}

/// Returns the base URL with `/chat/completions` appended to its path and its query unchanged.
fn completions(base: &HttpUrl) -> Result<HttpUrl, ResponderError> {
    let mut url = base.as_url().clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["chat", "completions"]);
    }
    HttpUrl::try_from(url).map_err(|_| ResponderError::Misconfigured("its base URL is too long"))
}

fn headers(endpoint: &OpenAi, settings: &RespondersSettings) -> Result<HeaderMap, ResponderError> {
    let mut headers = HeaderMap::new();
    if let Some(name) = &endpoint.key_env {
        let key = settings.secret(name)?;
        let bearer = format!("Bearer {}", key.expose_secret());
        let mut value = HeaderValue::try_from(bearer)
            .map_err(|_| ResponderError::Misconfigured("its key has characters that a header cannot contain"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Writes the request: the system prompt, as much of the newest history as the budget leaves room for, and the message,
/// as a [`Conversation`] that chat models accept.
fn body(endpoint: &OpenAi, question: &Question, including: Including) -> Result<Vec<u8>, ResponderError> {
    let mut budget = Budget::of_tokens(endpoint.context_tokens).without(&question.message);
    let mut messages = Vec::new();
    if let Some(prompt) = &endpoint.system_prompt {
        budget = budget.without(prompt);
        messages.push(Message { role: Role::System, content: prompt.into() });
    }
    let newest = budget.newest(&question.history);
    let before = match including {
        Including::Everything => Conversation::of(newest),
        Including::OnlyReplied => Conversation::of_replied(newest),
    };
    messages.extend(before.asking(&question.message).into_messages());
    let request = Request { model: endpoint.model.as_str(), messages, stream: true };
    serde_json::to_vec(&request).map_err(|_| ResponderError::Misconfigured("the question cannot be written as JSON"))
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    /// Some servers send it in the middle of a stream, under status 200.
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    /// In an event.
    #[serde(borrow)]
    delta: Option<ModelMessage<'a>>,
    /// In a document.
    #[serde(borrow)]
    message: Option<ModelMessage<'a>>,
    /// `null`, or empty from some servers, until the last piece.
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct ModelMessage<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl ModelMessage<'_> {
    fn text(self) -> Result<Text, ResponderError> {
        let content = self.content.map_or_else(|| Ok(Text::default()), Text::of_content);
        content.map_err(|_| NO_COMPLETION)
    }
}

const NO_COMPLETION: ResponderError = ResponderError::Garbled("it is no chat completion");

fn choice(json: &str) -> Result<Option<Choice<'_>>, ResponderError> {
    let completion: Completion<'_> = serde_json::from_str(json).map_err(|_| NO_COMPLETION)?;
    match completion.error {
        Some(_) => Err(ResponderError::Garbled("the model failed in the middle")),
        None => Ok(completion.choices.into_iter().next()),
    }
}

fn document(json: &str) -> Result<Text, ResponderError> {
    let message = choice(json)?.and_then(|choice| choice.message);
    message.map_or_else(|| Ok(Text::default()), ModelMessage::text)
}

/// Reads an event. One without choices contains no text, but other data such as the number of tokens used.
fn event(data: &str) -> Result<Piece, ResponderError> {
    let Some(choice) = choice(data)? else { return Ok(Piece { text: Text::default(), is_last: false }) };
    Ok(Piece {
        text: choice.delta.map_or_else(|| Ok(Text::default()), ModelMessage::text)?,
        is_last: choice.finish_reason.is_some_and(|reason| !reason.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn the_path_is_appended_to_the_base_url() {
        for (base, whole) in [
            ("https://api.example.com/v1", "https://api.example.com/v1/chat/completions"),
            ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
            ("http://models.example", "http://models.example/chat/completions"),
            ("https://a.example/d?api-version=2", "https://a.example/d/chat/completions?api-version=2"),
        ] {
            let base = HttpUrl::try_from(Url::parse(base).unwrap()).unwrap();
            assert_eq!(completions(&base).unwrap().as_url().as_str(), whole);
        }
    }
}
