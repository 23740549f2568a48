//! What replies to messages.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// What replies to the messages of an agent, or of an organization's agents without a responder of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Responder {
    /// No reply: messages are stored, and a worker of the customer may reply.
    #[default]
    None,
    /// The user's own text is the reply.
    Echo,
    /// A model with the chat completions API that OpenAI published and others implement.
    OpenAi(OpenAi),
    /// A program of the organization.
    Webhook(Webhook),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAi {
    /// The URL that `/chat/completions` is appended to, such as `https://api.openai.com/v1`.
    pub base_url: HttpUrl,
    pub model: ModelName,
    /// The environment variable with the endpoint's key; without it no key is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<EnvName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Limit of the tokens of a request: the message, its history and the system prompt.
    #[serde(default = "default_context")]
    pub context_tokens: NonZeroU32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: HttpUrl,
    /// The environment variable with the secret that deliveries are signed with; without it they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<EnvName>,
}

/// 8,000 tokens: the context of the smallest models that are still offered.
pub const DEFAULT_CONTEXT_TOKENS: NonZeroU32 = NonZeroU32::new(8_000).unwrap();

fn default_context() -> NonZeroU32 {
    DEFAULT_CONTEXT_TOKENS
}

impl Responder {
    /// Returns its `kind`, as it is written.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Echo => "echo",
            Self::OpenAi(_) => "openai",
            Self::Webhook(_) => "webhook",
        }
    }
}

impl FromStr for Responder {
    type Err = InvalidResponder;

    /// Parses `none`, `echo` or a JSON object.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "echo" => Ok(Self::Echo),
            json if json.trim_start().starts_with('{') => {
                serde_json::from_str(json).map_err(|error| InvalidResponder::Object(error.to_string()))
            }
            _ => Err(InvalidResponder::Word),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidResponder {
    #[error(
        r#"a responder is none, echo or a JSON object such as {{"kind":"openai","base_url":"https://api.example.com/v1","model":"m","key_env":"OPENAI_API_KEY"}}"#
    )]
    Word,
    #[error("that responder cannot be used: {0}")]
    Object(String),
}

/// The URL of an endpoint: http or https, without credentials and without a fragment, at most 2,048 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl(Url);

impl HttpUrl {
    const MAX_BYTES: usize = 2_048;

    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<Url> for HttpUrl {
    type Error = InvalidUrl;

    fn try_from(url: Url) -> Result<Self, Self::Error> {
        if url.as_str().len() > Self::MAX_BYTES {
            Err(InvalidUrl::TooLong)
        } else if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            Err(InvalidUrl::NotHttp)
        } else if !url.username().is_empty() || url.password().is_some() {
            Err(InvalidUrl::Credentials)
        } else if url.fragment().is_some() {
            Err(InvalidUrl::Fragment)
        } else {
            Ok(Self(url))
        }
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = InvalidUrl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(Url::parse(&text).map_err(|_| InvalidUrl::NotHttp)?)
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.0.into()
    }
}

impl fmt::Debug for HttpUrl {
    /// Formats the URL without the query, because webhooks without signatures have their secret there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.origin().ascii_serialization(), self.0.path())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidUrl {
    #[error("an endpoint's URL starts with http:// or https:// and a host")]
    NotHttp,
    #[error("an endpoint's URL has at most 2,048 bytes")]
    TooLong,
    #[error("an endpoint's URL has no user name or password")]
    Credentials,
    #[error("an endpoint's URL has no fragment")]
    Fragment,
}

/// The name of a model at its endpoint: 1 to 200 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

impl ModelName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelName {
    type Error = InvalidModelName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_name = (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control);
        if is_name { Ok(Self(text)) } else { Err(InvalidModelName) }
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a model's name has 1 to 200 characters")]
pub struct InvalidModelName;

/// The name of an environment variable with a secret for an endpoint: letters, digits and `_`, at most 128, no digit
/// first. The service's own settings are rejected, because they must not be sent out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);

impl EnvName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvName {
    type Error = InvalidEnvName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_name = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !text.starts_with(|first: char| first.is_ascii_digit());
        if !is_name {
            Err(InvalidEnvName::NoName)
        } else if text.starts_with("SESSIONARY_") || text == "DATABASE_URL" || text == "PGPASSWORD" {
            Err(InvalidEnvName::OurOwn)
        } else {
            Ok(Self(text))
        }
    }
}

impl From<EnvName> for String {
    fn from(name: EnvName) -> Self {
        name.0
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidEnvName {
    #[error("name the environment variable that holds the secret, not the secret itself")]
    NoName,
    #[error("the service's own settings are not sent to a responder")]
    OurOwn,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(text: &str) -> String {
        text.parse::<Responder>().unwrap_err().to_string()
    }

    #[test]
    fn what_was_stored_before_there_were_others_is_still_read() {
        assert_eq!(serde_json::from_str::<Responder>(r#"{"kind":"none"}"#).unwrap(), Responder::None);
        assert_eq!(serde_json::from_str::<Responder>(r#"{"kind":"echo"}"#).unwrap(), Responder::Echo);
        assert_eq!(serde_json::to_string(&Responder::Echo).unwrap(), r#"{"kind":"echo"}"#);
    }

    #[test]
    fn words_and_objects_are_read_and_written_the_same() {
        assert_eq!("none".parse::<Responder>().unwrap(), Responder::None);
        assert_eq!("echo".parse::<Responder>().unwrap(), Responder::Echo);
        for (text, kind) in [
            (
                r#"{"kind":"openai","base_url":"https://api.example.com/v1","model":"m","key_env":"OPENAI_API_KEY","system_prompt":"Be kind.","context_tokens":100}"#,
                "openai",
            ),
            (r#"{"kind":"webhook","url":"https://example.com/hook?a=1","secret_env":"HOOK_SECRET"}"#, "webhook"),
        ] {
            let responder: Responder = text.parse().unwrap();
            assert_eq!(responder.kind(), kind);
            assert_eq!(serde_json::to_string(&responder).unwrap(), text);
        }
        let Responder::OpenAi(plain) =
            r#"{"kind":"openai","base_url":"http://localhost:8000/v1","model":"m"}"#.parse().unwrap()
        else {
            panic!("another kind");
        };
        assert_eq!((plain.context_tokens, plain.key_env), (DEFAULT_CONTEXT_TOKENS, None));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        assert!(rejection("oracle").contains("none, echo or a JSON object"));
        for (object, message) in [
            (r#"{"kind":"oracle"}"#, "unknown variant"),
            (r#"{"kind":"openai","base_url":"https://a.example"}"#, "missing field `model`"),
            (r#"{"kind":"openai","base_url":"https://a.example","model":""}"#, "model's name"),
            (r#"{"kind":"openai","base_url":"https://a.example","model":"m","context_tokens":0}"#, "nonzero"),
            (r#"{"kind":"openai","base_url":"https://a.example","model":"m","keyenv":"K"}"#, "unknown field"),
            (r#"{"kind":"openai","base_url":"https://a.example","model":"m","key_env":"sk-1"}"#, "not the secret"),
            (r#"{"kind":"webhook","url":"https://a.example","secret_env":"1A"}"#, "not the secret"),
            (r#"{"kind":"webhook","url":"https://a.example","secret_env":"DATABASE_URL"}"#, "own settings"),
            (r#"{"kind":"webhook","url":"https://a.example","secret_env":"SESSIONARY_X"}"#, "own settings"),
            (r#"{"kind":"webhook","url":"ftp://a.example"}"#, "http://"),
            (r#"{"kind":"webhook","url":"file:///etc/passwd"}"#, "http://"),
            (r#"{"kind":"webhook","url":"/relative"}"#, "http://"),
            (r#"{"kind":"webhook","url":"https://user@a.example"}"#, "user name"),
            (r#"{"kind":"webhook","url":"https://:pass@a.example"}"#, "user name"),
            (r#"{"kind":"webhook","url":"https://a.example/#top"}"#, "fragment"),
        ] {
            assert!(rejection(object).contains(message), "{object}: {}", rejection(object));
        }
        let long = format!(r#"{{"kind":"webhook","url":"https://a.example/{}"}}"#, "x".repeat(2_048));
        assert!(rejection(&long).contains("2,048"));
    }

    #[test]
    fn a_secret_in_a_query_does_not_show() {
        let hook: Responder = r#"{"kind":"webhook","url":"https://a.example/hook?token=hidden"}"#.parse().unwrap();
        let shown = format!("{hook:?}");
        assert!(shown.contains("https://a.example/hook") && !shown.contains("hidden"), "{shown}");
    }
}
