//! What a report contains, and the response to it.

use serde::{Deserialize, Serialize};

use super::LeakReports;
use crate::auth::{Authenticator, access_token};
use crate::domain::{Actor, ApiKey, KeyId, OrgId, Timestamp};
use crate::store::admin::{AdminError, AdminStore};

/// Entries of one report.
pub(super) const MAX_ENTRIES: usize = 100;
/// Characters of the reason that is stored with a revoked key.
const MAX_REASON: usize = 200;

/// A text that looked like a key or an access token where it was found.
#[derive(Deserialize)]
pub(super) struct Found {
    token: String,
    /// The name of the pattern that it matched.
    #[serde(default)]
    r#type: String,
    /// Where it was found; may be empty.
    #[serde(default)]
    url: Option<String>,
}

/// Whether a text was a key or an access token.
#[derive(Serialize)]
pub(super) struct Feedback {
    /// The SHA-256 of the text, so that the response does not contain it.
    token_hash: String,
    token_type: String,
    label: Label,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Label {
    TruePositive,
    FalsePositive,
}

impl LeakReports {
    /// Revokes every key and every access token of a report. Returns for each text whether it is one that was issued here,
    /// be it revoked or expired.
    ///
    /// # Errors
    /// When the database cannot be reached. What comes before in the report is revoked then.
    pub(super) async fn carry_out(
        &self,
        authenticator: &Authenticator,
        found: Vec<Found>,
        actor: Actor,
    ) -> Result<Vec<Feedback>, AdminError> {
        let now = authenticator.clock.now();
        let admin = self.admin.clone().acting_for(actor);
        let mut feedback = Vec::with_capacity(found.len());
        for Found { token, r#type, url } in found {
            // A text whose checksum is wrong is no key, and costs no query.
            let issued = match ApiKey::parse(token.trim()) {
                Some(key) => revoke(&admin, &key, now, &reason(url.as_deref())).await?,
                None => None,
            };
            if let Some((org, key)) = issued {
                authenticator.store.forget_keys();
                tracing::warn!(organization = %org, %key, "auth.leaked_key_revoked");
            }
            let label = if issued.is_some() { Label::TruePositive } else { Label::FalsePositive };
            feedback.push(Feedback { token_hash: ApiKey::hash_of(&token), token_type: r#type, label });
        }
        Ok(feedback)
    }
}

/// Revokes an access token, which has the form of a key, or else a key. Returns the organization and the key, or `None` if
/// neither was issued here.
async fn revoke(
    admin: &AdminStore,
    text: &ApiKey,
    now: Timestamp,
    reason: &str,
) -> Result<Option<(OrgId, KeyId)>, AdminError> {
    if access_token::looks_like_one(text.expose()) {
        let ended = admin.end_leaked_token(text.hash(), now, reason).await?;
        if ended.is_some() {
            return Ok(ended);
        }
    }
    admin.revoke_leaked_key(text.hash(), now, reason).await
}

fn reason(url: Option<&str>) -> String {
    let url: String = url.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let reason = if url.is_empty() { "leaked".to_owned() } else { format!("leaked: {url}") };
    reason.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded_and_can_be_stored() {
        assert_eq!(reason(None), "leaked");
        assert_eq!(reason(Some("")), "leaked");
        assert_eq!(reason(Some("https://example.com/\0a\nb")), "leaked: https://example.com/ab");
        assert_eq!(reason(Some(&"ü".repeat(9_000))).chars().count(), MAX_REASON);
    }
}
