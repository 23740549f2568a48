//! `key create`, `key list`, `key revoke`.

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::output::Done;
use super::{Context, Failure, org};
use crate::domain::{ApiKey, KeyId, KeyPrefix, OrgId, Scopes, Timestamp};
use crate::store::admin::{AdminStore, NewKey};

#[derive(Subcommand)]
pub(super) enum Key {
    /// Make an API key; it is shown this once
    Create(Create),
    /// List the keys of an organization
    List {
        #[arg(long)]
        org: String,
    },
    /// Refuse a key from now on
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
    /// What stands before the key's last underscore
    #[arg(long, default_value_t)]
    prefix: KeyPrefix,
    /// What the key is good for, between commas; everything when absent
    #[arg(long)]
    scopes: Option<Scopes>,
    /// How long it is good: a number and d, h or m; forever when absent
    #[arg(long, value_parser = lifetime)]
    expires: Option<TimeDelta>,
}

/// A key that was made. The only place where one is shown.
#[derive(Serialize)]
pub(super) struct Made {
    pub key_id: KeyId,
    pub org_id: OrgId,
    pub api_key: String,
}

#[derive(Serialize)]
struct Shown {
    key_id: Uuid,
    name: String,
    prefix: String,
    hint: Option<String>,
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl Key {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match self {
            Self::Create(create) => {
                let org = org::find(admin, &create.org).await?;
                let expires_at = create.expires.map(|lifetime| context.clock.now() + lifetime);
                let scopes = create.scopes.unwrap_or(Scopes::EVERY);
                let made = make(context, admin, org, &create.name, &create.prefix, scopes, expires_at).await?;
                context.output.line(&made.api_key, &made);
                Ok(())
            }
            Self::List { org } => {
                let org = org::find(admin, &org).await?;
                let rows: Vec<Shown> = admin
                    .keys(org)
                    .await?
                    .into_iter()
                    .map(|row| Shown {
                        key_id: row.key_id,
                        name: row.name,
                        prefix: row.prefix,
                        hint: row.hint,
                        scopes: row.scopes,
                        created_at: row.created_at,
                        expires_at: row.expires_at,
                        revoked_at: row.revoked_at,
                    })
                    .collect();
                context.output.rows("keys", &rows, |row| {
                    let state = if row.revoked_at.is_some() { "  revoked" } else { "" };
                    let hint = row.hint.as_deref().unwrap_or_default();
                    format!("{}  {}_{hint}…  {}{state}", row.key_id, row.prefix, row.name)
                });
                Ok(())
            }
            Self::Revoke { id } => {
                admin.revoke_key(id, context.clock.now()).await?;
                context.output.line(&format!("Key {id} is revoked."), &Done { ok: true });
                Ok(())
            }
        })
        .await
    }
}

/// Makes a key and stores its hash.
pub(super) async fn make(
    context: &Context,
    admin: &AdminStore,
    org: OrgId,
    name: &str,
    prefix: &KeyPrefix,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
) -> Result<Made, Failure> {
    let key = ApiKey::generate(prefix, &context.mint);
    let key_id = KeyId(context.mint.uuid());
    let created_at = context.clock.now();
    admin.create_key(&NewKey { id: key_id, org, name, prefix, key: &key, scopes, created_at, expires_at }).await?;
    Ok(Made { key_id, org_id: org, api_key: key.expose().to_owned() })
}

/// Reads `90d`, `12h` or `30m`; at most a hundred years.
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
