//! The audit log's vocabulary: what was done, and by whom.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{Credential, KeyId, Timestamp};

/// Declares the actions with their words, so that a word has one home.
macro_rules! actions {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// An administrative or destructive act.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($name),+ }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns its word, as it is stored.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

actions! {
    ApiKeyCreate = "api_key.create",
    ApiKeyUpdate = "api_key.update",
    ApiKeyRotate = "api_key.rotate",
    ApiKeyRevoke = "api_key.revoke",
    ApiKeyDelete = "api_key.delete",
    AccessTokenRevoke = "access_token.revoke",
    OrganizationCreate = "organization.create",
    OrganizationRename = "organization.rename",
    OrganizationResponder = "organization.responder",
    OrganizationLimits = "organization.limits",
    OrganizationQuota = "organization.quota",
    OrganizationDisable = "organization.disable",
    OrganizationEnable = "organization.enable",
    OrganizationSettings = "organization.settings",
    AgentCreate = "agent.create",
    AgentUpdate = "agent.update",
    AgentDelete = "agent.delete",
    WebhookCreate = "webhook.create",
    WebhookUpdate = "webhook.update",
    WebhookEnable = "webhook.enable",
    WebhookDisable = "webhook.disable",
    WebhookRotate = "webhook.rotate_secret",
    WebhookDelete = "webhook.delete",
    WebhookResend = "webhook.resend",
    SessionDelete = "session.delete",
    SessionExport = "session.export",
    ErasureRequest = "erasure.request",
    RetentionSet = "retention.set",
    LegalHoldBegin = "legal_hold.begin",
    LegalHoldEnd = "legal_hold.end",
    ConsoleLogin = "console.login",
    ConsoleLogout = "console.logout",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no such action; docs/operations.md lists them, such as api_key.create")]
pub struct UnknownAction;

/// By what an actor was identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    ApiKey(KeyId),
    /// The subject of a token, if it names one, and its issuer.
    Token {
        subject: Option<String>,
        issuer: String,
    },
    /// The operating system's user that ran a command.
    CommandLine {
        user: String,
    },
    /// Only the public `x-org-id` header.
    OrgHeader,
    /// No credential.
    Anonymous,
    /// A signed report of leaked keys.
    LeakReport,
    /// The service itself, such as one of its workers.
    Service,
}

impl Identity {
    /// Returns the word for its kind, as it is stored.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ApiKey(_) => "api_key",
            Self::Token { .. } => "token",
            Self::CommandLine { .. } => "command_line",
            Self::OrgHeader => "organization_header",
            Self::Anonymous => "anonymous",
            Self::LeakReport => "leak_report",
            Self::Service => "service",
        }
    }

    /// Returns the name within its kind.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::ApiKey(id) => Some(id.to_string()),
            Self::Token { subject, .. } => subject.clone(),
            Self::CommandLine { user } => Some(user.clone()),
            Self::OrgHeader | Self::Anonymous | Self::LeakReport | Self::Service => None,
        }
    }

    /// Returns the issuer of a token.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::Token { issuer, .. } => Some(issuer),
            _ => None,
        }
    }
}

impl From<&Credential> for Identity {
    fn from(credential: &Credential) -> Self {
        match credential {
            Credential::OrgHeader => Self::OrgHeader,
            Credential::ApiKey(id) => Self::ApiKey(*id),
            Credential::Jwt { subject, issuer } => Self::Token { subject: subject.clone(), issuer: issuer.clone() },
            Credential::Anonymous => Self::Anonymous,
        }
    }
}

/// Who does something, when and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub identity: Identity,
    /// The client's address; `None` for commands and workers.
    pub address: Option<IpAddr>,
    pub request_id: Option<String>,
    /// When the request arrived; `None` uses the time of the database.
    pub at: Option<Timestamp>,
}

impl Actor {
    /// The service itself.
    pub const SERVICE: Self = Self { identity: Identity::Service, address: None, request_id: None, at: None };

    /// Returns the actor of a command that this user of the operating system runs.
    #[must_use]
    pub fn command_line(user: String) -> Self {
        Self { identity: Identity::CommandLine { user }, ..Self::SERVICE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_as_they_are_written() {
        for action in Action::ALL {
            assert_eq!(action.to_string().parse::<Action>().unwrap(), *action);
        }
        assert!("api_key".parse::<Action>().is_err());
    }
}
