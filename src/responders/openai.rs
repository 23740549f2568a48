//! Models behind the chat completions API: `POST {base_url}/chat/completions`
//! (<https://platform.openai.com/docs/api-reference/chat>).

use http::HeaderMap;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::frames::{self, Piece, Wording};
use super::history::{Budget, Message, Role};
use super::outbound::{Outbound, Post};
use super::{Answer, Question, ResponderError, RespondersSettings};
use crate::domain::responder::{HttpUrl, OpenAi};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
}

/// Asks, a second time where the first came to nothing, and gives the answer once it has begun.
pub(super) async fn ask(outbound: Outbound, endpoint: OpenAi, question: Question) -> Result<Answer, ResponderError> {
    let post = Post {
        url: completions(&endpoint.base_url)?,
        headers: headers(&endpoint, outbound.settings())?,
        body: body(&endpoint, &question)?.into(),
    };
    drop(question);
    frames::read(outbound.post_twice(&post).await?, Wording { document, event }).await
}

/// The base URL's path goes on with `/chat/completions`; its query stays.
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
            .map_err(|_| ResponderError::Misconfigured("its key has characters that no header can hold"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The system prompt, as much of the newest history as the budget leaves room for, and the message.
fn body(endpoint: &OpenAi, question: &Question) -> Result<Vec<u8>, ResponderError> {
    let mut budget = Budget::of_tokens(endpoint.context_tokens).without(&question.message);
    let mut messages = Vec::new();
    if let Some(prompt) = &endpoint.system_prompt {
        budget = budget.without(prompt);
        messages.push(Message { role: Role::System, content: prompt });
    }
    messages.extend(budget.newest(&question.history).iter().map(Message::from));
    messages.push(Message { role: Role::User, content: &question.message });
    let request = Request { model: endpoint.model.as_str(), messages, stream: true };
    serde_json::to_vec(&request).map_err(|_| ResponderError::Misconfigured("the question cannot be written as JSON"))
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    /// What some servers send in the middle of a stream, under status 200.
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    /// In an event.
    delta: Option<Said>,
    /// In a document.
    message: Option<Said>,
    /// `null`, or empty from some servers, until the last piece.
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

fn choice(json: &[u8]) -> Result<Option<Choice>, ResponderError> {
    let completion: Completion =
        serde_json::from_slice(json).map_err(|_| ResponderError::Garbled("it is no chat completion"))?;
    match completion.error {
        Some(_) => Err(ResponderError::Garbled("the model failed in the middle")),
        None => Ok(completion.choices.into_iter().next()),
    }
}

fn document(json: &[u8]) -> Result<String, ResponderError> {
    let said = choice(json)?.and_then(|choice| choice.message);
    Ok(said.and_then(|said| said.content).unwrap_or_default())
}

/// An event without choices is about something else, such as how many tokens were used.
fn event(data: &str) -> Result<Piece, ResponderError> {
    let Some(choice) = choice(data.as_bytes())? else { return Ok(Piece { text: String::new(), is_last: false }) };
    Ok(Piece {
        text: choice.delta.and_then(|said| said.content).unwrap_or_default(),
        is_last: choice.finish_reason.is_some_and(|reason| !reason.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn the_path_goes_behind_the_base_url() {
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
