//! What an entry shows of its target: names and settings, without secrets, prompts or messages. A text that may contain
//! them is shown by its length, and that it changed by its name in `changed`.

use serde::{Serialize, Serializer};

use crate::domain::{
    Agent, AllowedAddresses, DialectName, IssuedKey, KeyId, NewAgent, RateLimits, Responder, Session, Timestamp,
};
use crate::store::OwnSettings;
use crate::store::admin::OrganizationSettings;

/// Characters of a text that are shown.
const MAX_TEXT: usize = 200;

/// A text, of which the first [`MAX_TEXT`] characters are written.
#[derive(PartialEq)]
pub struct Clipped<'a>(pub &'a str);

impl Serialize for Clipped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::storable(self.0, MAX_TEXT))
    }
}

#[derive(Serialize)]
pub struct ResponderView<'a> {
    kind: &'static str,
    /// Without the query, because some endpoints have their secret there.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

impl<'a> From<&'a Responder> for ResponderView<'a> {
    fn from(responder: &'a Responder) -> Self {
        let (url, model) = match responder {
            Responder::None | Responder::Echo => (None, None),
            Responder::OpenAi(openai) => (Some(&openai.base_url), Some(openai.model.as_str())),
            Responder::Webhook(webhook) => (Some(&webhook.url), None),
        };
        let url = url.map(|url| super::storable(&format!("{url:?}"), MAX_TEXT));
        Self { kind: responder.kind(), url, model }
    }
}

/// An access token of a key.
#[derive(Serialize)]
pub struct TokenView<'a> {
    pub expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke_reason: Option<Clipped<'a>>,
}

#[derive(Serialize)]
pub struct KeyView<'a> {
    pub name: Clipped<'a>,
    pub prefix: &'a str,
    pub scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Clipped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke_reason: Option<Clipped<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<&'static str>,
}

impl<'a> KeyView<'a> {
    /// Returns the view of a key by the columns that the command line reads.
    pub fn named(name: &'a str, prefix: &'a str, scopes: Vec<String>, expires_at: Option<Timestamp>) -> Self {
        let (description, revoked_at, revoke_reason) = (None, None, None);
        Self {
            name: Clipped(name),
            prefix,
            scopes,
            description,
            expires_at,
            revoked_at,
            revoke_reason,
            allowed_addresses: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Returns the view of a key after a change.
    pub fn changed(before: &IssuedKey, after: &'a IssuedKey) -> Self {
        let changed = changed([
            ("name", before.name != after.name),
            ("description", before.description != after.description),
            ("metadata", before.metadata != after.metadata),
            ("expires_at", before.expires_at != after.expires_at),
            ("revoked_at", before.revoked_at != after.revoked_at),
            ("allowed_addresses", before.allowed_addresses != after.allowed_addresses),
        ]);
        Self { changed, ..Self::from(after) }
    }
}

impl<'a> From<&'a IssuedKey> for KeyView<'a> {
    fn from(key: &'a IssuedKey) -> Self {
        Self {
            description: key.description.as_deref().map(Clipped),
            revoked_at: key.revoked_at,
            revoke_reason: key.revoke_reason.as_deref().map(Clipped),
            allowed_addresses: key.allowed_addresses.as_ref().map(AllowedAddresses::texts).unwrap_or_default(),
            ..Self::named(&key.name, key.prefix.as_str(), key.scopes.names(), key.expires_at)
        }
    }
}

/// The key that replaces another one.
#[derive(Serialize)]
pub struct ReplacementView {
    pub replaced_by: KeyId,
    pub ends_at: Timestamp,
}

#[derive(Serialize)]
pub struct OrganizationView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Clipped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<Clipped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<Clipped<'a>>,
    /// If nothing else of its settings is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    responder: Option<ResponderView<'a>>,
    #[serde(flatten)]
    settings: Option<SettingsView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<&'static str>,
}

#[derive(Serialize)]
struct SettingsView<'a> {
    responder: ResponderView<'a>,
    capture_open: bool,
    limits: RateLimits,
    total_limits: RateLimits,
    quota_bytes: Option<i64>,
    disabled_at: Option<Timestamp>,
}

impl<'a> OrganizationView<'a> {
    pub fn named(name: &'a str, external_id: Option<&'a str>, issuer: &'a str) -> Self {
        Self {
            name: Some(Clipped(name)),
            external_id: external_id.map(Clipped),
            issuer: Some(issuer).filter(|issuer| !issuer.is_empty()).map(Clipped),
            responder: None,
            settings: None,
            changed: Vec::new(),
        }
    }

    /// Returns the view of what an organization changes of itself.
    pub fn own(settings: &'a OwnSettings, shows_name: bool, shows_responder: bool) -> Self {
        Self {
            name: shows_name.then_some(Clipped(&settings.name)),
            responder: shows_responder.then(|| (&settings.responder).into()),
            external_id: None,
            issuer: None,
            settings: None,
            changed: Vec::new(),
        }
    }

    pub fn of(settings: &'a OrganizationSettings, changed: Vec<&'static str>) -> Self {
        let settings = SettingsView {
            responder: (&settings.responder).into(),
            capture_open: settings.capture_open,
            limits: settings.rate_limits,
            total_limits: settings.total_rate_limits,
            quota_bytes: settings.storage_quota,
            disabled_at: settings.disabled_at,
        };
        Self { name: None, external_id: None, issuer: None, responder: None, settings: Some(settings), changed }
    }
}

/// An agent without its description, which is not to outlive it.
#[derive(Serialize)]
pub struct AgentView<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    name: Clipped<'a>,
    enabled: bool,
    language: Clipped<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responder: Option<ResponderView<'a>>,
    settings_bytes: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<&'static str>,
}

impl<'a> AgentView<'a> {
    pub fn new(new: &'a NewAgent, number: i64) -> Self {
        Self {
            key: new.key.as_str(),
            number: Some(number),
            name: Clipped(&new.name),
            enabled: new.enabled,
            language: Clipped(&new.language),
            avatar: new.avatar_number,
            responder: new.responder.as_ref().map(ResponderView::from),
            settings_bytes: new.settings.as_str().len(),
            changed: Vec::new(),
        }
    }

    /// Returns the view of an agent after a change.
    pub fn changed(before: &Agent, after: &'a Agent) -> Self {
        let changed = changed([
            ("name", before.name != after.name),
            ("description", before.description != after.description),
            ("enabled", before.enabled != after.enabled),
            ("language", before.language != after.language),
            ("avatar", before.avatar_number != after.avatar_number),
            ("responder", before.responder != after.responder),
            ("settings", before.settings != after.settings),
        ]);
        Self { changed, ..Self::from(after) }
    }
}

impl<'a> From<&'a Agent> for AgentView<'a> {
    fn from(agent: &'a Agent) -> Self {
        Self {
            key: agent.key.as_str(),
            number: Some(agent.number.get()),
            name: Clipped(&agent.name),
            enabled: agent.enabled,
            language: Clipped(&agent.language),
            avatar: agent.avatar_number,
            responder: agent.responder.as_ref().map(ResponderView::from),
            settings_bytes: agent.settings.as_str().len(),
            changed: Vec::new(),
        }
    }
}

#[derive(Serialize)]
pub struct WebhookView<'a> {
    /// Without the query.
    url: String,
    events: &'a [String],
    dialects: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Timestamp>,
}

impl<'a> WebhookView<'a> {
    pub fn of(
        url: &str,
        events: &'a [String],
        dialects: &[i16],
        paused_until: Option<Timestamp>,
        disabled_at: Option<Timestamp>,
    ) -> Self {
        let dialects = dialects.iter().filter_map(|code| DialectName::from_code(*code)).map(DialectName::as_str);
        let dialects = dialects.collect();
        let url = url.split(['?', '#']).next().unwrap_or_default();
        Self { url: super::storable(url, MAX_TEXT), events, dialects, paused_until, disabled_at }
    }
}

#[derive(Serialize)]
pub struct DeliveryView {
    pub webhook_id: uuid::Uuid,
    pub event: String,
}

/// A deleted session: nothing that its user wrote.
#[derive(Serialize)]
pub struct SessionView {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<uuid::Uuid>,
    created_at: Timestamp,
}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self { agent_id: session.agent.map(|agent| agent.0), created_at: session.created_at }
    }
}

/// Returns the names of the members that differ.
fn changed<const N: usize>(members: [(&'static str, bool); N]) -> Vec<&'static str> {
    members.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
