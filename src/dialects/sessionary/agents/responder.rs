//! A responder as this API writes and reads it: without secrets, and without the names of the deployment's environment
//! variables, because a caller that could choose the variable and the URL could have any of them sent to itself.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::members::Members;
use crate::domain::{JsonField, Patch, Responder};

/// Characters of a system prompt.
const MAX_PROMPT: usize = 100_000;

/// What replies to messages.
#[derive(Serialize, ToSchema)]
#[schema(as = Responder)]
pub struct WireResponder {
    /// `none`, `echo`, `openai` or `webhook`.
    #[schema(example = "openai")]
    kind: &'static str,
    /// Whether it is the organization's, because the agent has none of its own.
    is_default: bool,
    /// `openai`: the URL that `/chat/completions` is appended to, without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://api.openai.com/v1")]
    base_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "gpt-4.1-mini")]
    model: Option<String>,
    /// `openai`: shown to callers who may change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    system_prompt: Option<String>,
    /// `openai`: the tokens of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u32>,
    /// `webhook`: the endpoint, without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Whether the deployment has a key for the model, or a secret that calls of the webhook are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_secret: Option<bool>,
}

/// Whose responder it is, and who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub is_default: bool,
    /// Whether the caller may change it, and therefore reads its prompt.
    pub to_writer: bool,
}

impl WireResponder {
    pub fn new(responder: &Responder, shown: Shown) -> Self {
        let plain = Self {
            kind: responder.kind(),
            is_default: shown.is_default,
            base_url: None,
            model: None,
            system_prompt: None,
            context_tokens: None,
            url: None,
            has_secret: None,
        };
        match responder {
            Responder::None | Responder::Echo => plain,
            // The URLs are written without their query, because some endpoints have their secret there.
            Responder::OpenAi(openai) => Self {
                base_url: Some(format!("{:?}", openai.base_url)),
                model: Some(openai.model.as_str().to_owned()),
                system_prompt: openai.system_prompt.clone().filter(|_| shown.to_writer),
                context_tokens: Some(openai.context_tokens.get()),
                has_secret: Some(openai.key_env.is_some()),
                ..plain
            },
            Responder::Webhook(webhook) => Self {
                url: Some(format!("{:?}", webhook.url)),
                has_secret: Some(webhook.secret_env.is_some()),
                ..plain
            },
        }
    }
}

/// Describes the responder in a body.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the member; it is read by its kind")]
pub struct NewResponder {
    /// `none`, `echo`, `openai` or `webhook`.
    #[schema(example = "openai")]
    kind: String,
    /// `openai`: the URL that `/chat/completions` is appended to. The deployment's key is used as long as it stays the
    /// same.
    base_url: Option<String>,
    /// `openai`: 1 to 200 characters.
    model: Option<String>,
    /// `openai`: at most 100,000 characters.
    system_prompt: Option<String>,
    /// `openai`: 8,000 by default.
    context_tokens: Option<u32>,
    /// `webhook`: the endpoint. The deployment's secret is used as long as it stays the same.
    url: Option<String>,
}

/// Members that only the deployment's operator may set.
const OPERATORS: [&str; 2] = ["key_env", "secret_env"];

/// Reads the responder of a body. Null removes it.
pub(in crate::dialects::sessionary) fn read(body: &mut Members, name: &str) -> Patch<Responder> {
    let given = match body.take(name) {
        JsonField::Absent => return Patch::Keep,
        JsonField::Null => return Patch::Clear,
        JsonField::Object(given) => given,
        _ => {
            body.fault(name, "must be an object with a kind");
            return Patch::Keep;
        }
    };
    let mut inner = Members::within(&given, body.pointer(name));
    for operators in OPERATORS {
        if !inner.take(operators).is_absent() {
            inner.fault(operators, "is set by the operator of the service, with the command line");
        }
    }
    let known: &[&str] = match inner.take("kind").as_str() {
        Some("none" | "echo") => &[],
        Some("openai") => &["base_url", "model", "system_prompt", "context_tokens"],
        Some("webhook") => &["url"],
        _ => {
            inner.fault("kind", "must be none, echo, openai or webhook");
            &["base_url", "model", "system_prompt", "context_tokens", "url"]
        }
    };
    for member in known {
        let is_long = |text: &str| text.chars().count() > MAX_PROMPT;
        if inner.take(member).as_str().is_some_and(is_long) {
            inner.fault(member, format!("must be a string of at most {MAX_PROMPT} characters"));
        }
    }
    let is_sound = inner.is_sound();
    body.join(inner);
    if !is_sound {
        return Patch::Keep;
    }
    match given.read::<Responder>() {
        Ok(responder) => Patch::Set(responder),
        Err(error) => {
            body.fault(name, format!("cannot be used: {error}"));
            Patch::Keep
        }
    }
}

/// Takes over what only the operator may set from the responder before, as long as it is sent to the same URL.
pub(in crate::dialects::sessionary) fn keep_secrets(before: Option<&Responder>, after: &mut Responder) {
    match (before, after) {
        (Some(Responder::OpenAi(before)), Responder::OpenAi(after)) if before.base_url == after.base_url => {
            after.key_env.clone_from(&before.key_env);
        }
        (Some(Responder::Webhook(before)), Responder::Webhook(after)) if before.url == after.url => {
            after.secret_env.clone_from(&before.secret_env);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(responder: &str) -> Vec<String> {
        let mut body: Members = serde_json::from_str(&format!(r#"{{"responder":{responder}}}"#)).unwrap();
        let _ = read(&mut body, "responder");
        let Err(crate::dialects::sessionary::SessionaryError::InvalidBody(faults)) = body.finish() else {
            return Vec::new();
        };
        let json = serde_json::to_value(faults).unwrap();
        json.as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn only_the_operator_names_secrets() {
        let openai = r#"{"kind":"openai","base_url":"https://a.example/v1","model":"m","key_env":"K"}"#;
        assert_eq!(faults(openai), ["/responder/key_env"]);
        assert_eq!(
            faults(r#"{"kind":"webhook","url":"https://a.example","secret_env":"K"}"#),
            ["/responder/secret_env"]
        );
        assert_eq!(faults(r#"{"kind":"echo","model":"m"}"#), ["/responder/model"]);
        assert_eq!(faults(r#"{"kind":"oracle"}"#), ["/responder/kind"]);
        assert_eq!(faults(r#"{"kind":"openai","base_url":"ftp://a","model":"m"}"#), ["/responder"]);
        assert_eq!(faults("7"), ["/responder"]);
        for good in [r#"{"kind":"none"}"#, r#"{"kind":"webhook","url":"https://a.example/?q=1"}"#, "null"] {
            assert!(faults(good).is_empty(), "{good}");
        }
    }

    #[test]
    fn a_secret_is_kept_for_its_url_only() {
        let before: Responder =
            r#"{"kind":"openai","base_url":"https://a.example/v1","model":"m","key_env":"K"}"#.parse().unwrap();
        let kept = |text: &str| {
            let mut after: Responder = text.parse().unwrap();
            keep_secrets(Some(&before), &mut after);
            serde_json::to_value(WireResponder::new(&after, Shown { is_default: false, to_writer: true })).unwrap()
                ["has_secret"]
                .clone()
        };
        assert_eq!(kept(r#"{"kind":"openai","base_url":"https://a.example/v1","model":"n"}"#), true);
        assert_eq!(kept(r#"{"kind":"openai","base_url":"https://b.example/v1","model":"m"}"#), false);
        assert_eq!(kept(r#"{"kind":"webhook","url":"https://a.example/v1"}"#), false);
    }
}
