//! Where the entries of audit logs are sent.

use clap::Args;
use secrecy::SecretString;

use super::setting::{Findings, Setting};
use super::{given, given_secret};
use crate::domain::responder::HttpUrl;
use crate::outbound::{SignedEndpoint, signature};

/// A deployment's settings for the audit log.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Audit log")]
pub struct AuditSettings {
    /// URL that every entry of every organization's audit log is posted to
    #[arg(long, global = true, env = "SESSIONARY_AUDIT_URL", hide_env_values = true)]
    audit_url: Option<String>,

    /// Secret that these requests are signed with, as webhooks are
    #[arg(long, global = true, env = "SESSIONARY_AUDIT_SECRET", hide_env_values = true)]
    audit_secret: Option<SecretString>,
}

static URL: Setting =
    Setting::secret("SESSIONARY_AUDIT_URL", "an http or https URL", "https://logs.example.com/sessionary");
static SECRET: Setting = Setting::secret(
    "SESSIONARY_AUDIT_SECRET",
    "whsec_ and 24 to 64 bytes in base64",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
);

impl AuditSettings {
    /// Checks the settings. Returns `None` if entries are not sent.
    pub(super) fn check(&self, found: &mut Findings) -> Option<SignedEndpoint> {
        let url = given(self.audit_url.as_deref())
            .map(|text| text.parse::<HttpUrl>().map_err(|problem| URL.rejects(text, problem)))
            .transpose();
        let secret = given_secret(self.audit_secret.as_ref()).map(|text| {
            let secret = SecretString::from(text);
            signature::check(&secret).map(|()| secret).map_err(|problem| SECRET.rejects(text, problem))
        });
        let (url, secret) = (found.take(url)?, found.take(secret.transpose())?);
        if url.is_none() && secret.is_some() {
            found.errors.push(SECRET.rejects("", "has no effect without SESSIONARY_AUDIT_URL"));
        }
        Some(SignedEndpoint { url: url?, secret })
    }
}
