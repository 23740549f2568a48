//! `key create`, `key list`, `key show`, `key rotate`, `key revoke`.

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::output::Table;
use super::{Context, Failure, org};
use crate::domain::{ApiKey, KeyId, KeyPrefix, OrgId, Scopes, Timestamp};
use crate::store::admin::{AdminStore, KeyRow, NewKey, Replacement};

#[derive(Subcommand)]
pub(super) enum Key {
    /// Create an API key; it is shown only once
    Create(Create),
    /// List the keys of an organization
    List {
        #[arg(long)]
        org: String,
    },
    /// Show a key's details, without the key itself
    Show {
        /// The key's id
        id: KeyId,
    },
    /// Replace a key by a new one with the same name and scopes; the old key ends at once, or after --overlap
    Rotate(Rotate),
    /// Reject a key from now on
    Revoke {
        /// The key's id
        id: KeyId,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// The organization's UUID or external id
    #[arg(long)]
    org: String,
    #[arg(long)]
    name: String,
    /// The part before the key's last underscore
    #[arg(long, default_value_t)]
    prefix: KeyPrefix,
    /// The key's scopes, separated by commas; all when absent
    #[arg(long)]
    scopes: Option<Scopes>,
    /// How long the key is valid: a number and d, h or m; without an end when absent
    #[arg(long, value_parser = lifetime)]
    expires: Option<TimeDelta>,
}

#[derive(Args)]
pub(super) struct Rotate {
    /// The id of the key to replace
    id: KeyId,
    /// How long the old key stays valid together with the new one: a number and d, h or m; not at all when absent
    #[arg(long, value_parser = lifetime)]
    overlap: Option<TimeDelta>,
    /// How long the new key is valid: a number and d, h or m; as long as the old key was from its creation when absent
    #[arg(long, value_parser = lifetime)]
    expires: Option<TimeDelta>,
}

/// A new key. This is the only output that shows one.
#[derive(Serialize)]
pub(super) struct Made {
    pub key_id: KeyId,
    pub org_id: OrgId,
    pub api_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// The key that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Replaced>,
}

#[derive(Serialize)]
struct Replaced {
    key_id: KeyId,
    ends_at: Timestamp,
}

#[derive(Serialize)]
struct ShownKey {
    key_id: Uuid,
    org_id: Uuid,
    name: String,
    prefix: String,
    hint: Option<String>,
    /// Empty for all scopes.
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<KeyRow> for ShownKey {
    fn from(row: KeyRow) -> Self {
        Self {
            key_id: row.key_id,
            org_id: row.org_id,
            name: row.name,
            prefix: row.prefix,
            hint: row.hint,
            scopes: row.scopes,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

const TABLE: Table<'_> = Table { name: "keys", heads: &["id", "begins with", "state", "scopes", "created", "name"] };

impl ShownKey {
    fn state(&self, now: Timestamp) -> String {
        match (self.revoked_at, self.expires_at) {
            (Some(at), _) => format!("revoked {}", at.to_rfc3339()),
            (None, Some(at)) if at <= now => format!("expired {}", at.to_rfc3339()),
            (None, Some(at)) => format!("good until {}", at.to_rfc3339()),
            (None, None) => "good".to_owned(),
        }
    }

    fn beginning(&self) -> String {
        format!("{}_{}…", self.prefix, self.hint.as_deref().unwrap_or_default())
    }

    fn scopes(&self) -> String {
        if self.scopes.is_empty() { "everything".to_owned() } else { self.scopes.join(",") }
    }

    fn sentence(&self) -> String {
        format!("Key {} ({}) of organization {}", self.key_id, self.name, self.org_id)
    }

    fn print(&self, context: &Context, sentence: &str) {
        let details = [
            ("begins with", self.beginning()),
            ("state", self.state(context.clock.now())),
            ("scopes", self.scopes()),
            ("created", self.created_at.to_rfc3339()),
        ];
        context.output.details(sentence, &details, self);
    }
}

impl Key {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let now = context.clock.now();
        administer(context, async |admin| match self {
            Self::Create(create) => {
                let org = org::find(admin, &create.org).await?;
                let scopes = create.scopes.unwrap_or(Scopes::EVERY);
                let made = make(context, admin, org, &create.name, &create.prefix, scopes, create.expires).await?;
                made.print(context, &format!("Created key {} ({}).", made.key_id, create.name));
                Ok(())
            }
            Self::List { org } => {
                let org = org::find(admin, &org).await?;
                let rows: Vec<ShownKey> = admin.keys(org).await?.into_iter().map(ShownKey::from).collect();
                context.output.table(&TABLE, &rows, |row| {
                    let (id, created) = (row.key_id.to_string(), row.created_at.to_rfc3339());
                    vec![id, row.beginning(), row.state(now), row.scopes(), created, row.name.clone()]
                });
                Ok(())
            }
            Self::Show { id } => {
                let shown = ShownKey::from(admin.key(id).await?);
                shown.print(context, &shown.sentence());
                Ok(())
            }
            Self::Rotate(rotate) => rotate.run(context, admin).await,
            Self::Revoke { id } => {
                let before = ShownKey::from(admin.revoke_key(id, now).await?);
                let was = before.revoked_at.map(|at| format!("was revoked at {} already", at.to_rfc3339()));
                let became = was.unwrap_or_else(|| "is revoked. Replicas reject it within a second".to_owned());
                let shown = ShownKey { revoked_at: before.revoked_at.or(Some(now)), ..before };
                shown.print(context, &format!("{} {became}.", shown.sentence()));
                Ok(())
            }
        })
        .await
    }
}

impl Rotate {
    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let now = context.clock.now();
        let old = admin.key(self.id).await?;
        let lifetime = self.expires.or_else(|| old.expires_at.map(|end| end - old.created_at));
        let expires_at = lifetime.map(|lifetime| now + lifetime);
        let old_ends = self.overlap.map_or(now, |overlap| now + overlap);
        let key = ApiKey::generate(&old.prefix.parse()?, &context.mint);
        let id = KeyId(context.mint.uuid());
        let new = Replacement { id, key: &key, created_at: now, expires_at, old_ends };
        let old = admin.replace_key(self.id, &new).await?;
        let ends_at = old.expires_at.map_or(old_ends, |end| end.min(old_ends));
        let ends = match self.overlap {
            None => {
                "is revoked: replicas reject it within a second. --overlap leaves a key good for a while".to_owned()
            }
            Some(_) => format!("is good until {}", ends_at.to_rfc3339()),
        };
        let replaces = Some(Replaced { key_id: self.id, ends_at });
        let made =
            Made { key_id: id, org_id: OrgId(old.org_id), api_key: key.expose().to_owned(), expires_at, replaces };
        made.print(context, &format!("Created key {id} ({}) in place of {}, which {ends}.", old.name, self.id));
        Ok(())
    }
}

impl Made {
    fn print(&self, context: &Context, sentence: &str) {
        let mut details = vec![
            ("key id", self.key_id.to_string()),
            ("organization", self.org_id.to_string()),
            ("API key", self.api_key.clone()),
        ];
        if let Some(end) = self.expires_at {
            details.push(("expires", end.to_rfc3339()));
        }
        let sentence = format!("{sentence} The key itself is not shown again.");
        context.output.details(&sentence, &details, self);
    }
}

/// Creates a key and stores its hash.
pub(super) async fn make(
    context: &Context,
    admin: &AdminStore,
    org: OrgId,
    name: &str,
    prefix: &KeyPrefix,
    scopes: Scopes,
    lifetime: Option<TimeDelta>,
) -> Result<Made, Failure> {
    let key = ApiKey::generate(prefix, &context.mint);
    let key_id = KeyId(context.mint.uuid());
    let created_at = context.clock.now();
    // From the same time, so that a rotation computes the lifetime as it was given.
    let expires_at = lifetime.map(|lifetime| created_at + lifetime);
    admin.create_key(&NewKey { id: key_id, org, name, prefix, key: &key, scopes, created_at, expires_at }).await?;
    Ok(Made { key_id, org_id: org, api_key: key.expose().to_owned(), expires_at, replaces: None })
}

/// Parses `90d`, `12h` or `30m`; at most a hundred years.
fn lifetime(text: &str) -> Result<TimeDelta, &'static str> {
    const WANTED: &str = "a number and d, h or m, such as 90d, of a hundred years at most";
    let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(WANTED)?;
    let count = count.parse::<u32>().map(i64::from).ok().filter(|count| *count > 0).ok_or(WANTED)?;
    let lifetime = match unit {
        "d" => TimeDelta::try_days(count),
        "h" => TimeDelta::try_hours(count),
        "m" => TimeDelta::try_minutes(count),
        _ => None,
    };
    lifetime.filter(|lifetime| lifetime.num_days() <= 36_525).ok_or(WANTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read() {
        assert_eq!(lifetime("90d"), Ok(TimeDelta::days(90)));
        assert_eq!(lifetime("12h"), Ok(TimeDelta::hours(12)));
        assert_eq!(lifetime("30m"), Ok(TimeDelta::minutes(30)));
        for bad in ["", "d", "0d", "-1d", "1.5d", "90", "90y", "4294967295d", "1ü"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
