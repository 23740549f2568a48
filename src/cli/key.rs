//! `key create`, `key list`, `key show`, `key change`, `key rotate`, `key revoke`.

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::output::Table;
use super::{Context, Failure, org};
use crate::domain::{
    AllowedAddresses, ApiKey, KeyId, KeyPrefix, KeyState, OrgId, Scopes, Timestamp, allowed_addresses,
};
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
    /// Change from where a key may be used
    Change(Change),
    /// Replace a key by a new one with the same name, scopes and addresses; the old key ends at once, or after --overlap
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
    /// A network from which the key may be used, such as 203.0.113.0/24 or 2001:db8::/32; may be repeated; everywhere
    /// when absent
    #[arg(long, value_name = "CIDR", value_parser = allowed_addresses::network)]
    allow_address: Vec<IpNet>,
}

#[derive(Args)]
pub(super) struct Change {
    /// The key's id
    id: KeyId,
    /// A network from which the key may be used, instead of those before; may be repeated
    #[arg(long, value_name = "CIDR", value_parser = allowed_addresses::network, required_unless_present = "allow_any_address")]
    allow_address: Vec<IpNet>,
    /// Let the key be used from everywhere
    #[arg(long, conflicts_with = "allow_address")]
    allow_any_address: bool,
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
    state: KeyState,
    /// Empty for everywhere.
    allowed_addresses: Vec<String>,
    /// To about a minute.
    last_used_at: Option<Timestamp>,
}

impl ShownKey {
    fn new(row: KeyRow, now: Timestamp) -> Self {
        Self {
            state: KeyState::at(now, row.expires_at, row.revoked_at),
            key_id: row.key_id,
            org_id: row.org_id,
            name: row.name,
            prefix: row.prefix,
            hint: row.hint,
            scopes: row.scopes,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            allowed_addresses: row.allowed_addresses.unwrap_or_default(),
            last_used_at: row.last_used_at,
        }
    }
}

const TABLE: Table<'_> = Table {
    name: "keys",
    heads: &["id", "begins with", "state", "scopes", "addresses", "created", "last used", "name"],
};

impl ShownKey {
    fn state(&self) -> String {
        let at = |time: Option<Timestamp>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
        match self.state {
            KeyState::Revoked => format!("revoked {}", at(self.revoked_at)),
            KeyState::Expired => format!("expired {}", at(self.expires_at)),
            KeyState::Expiring => format!("EXPIRING, good until {}", at(self.expires_at)),
            KeyState::Active if self.expires_at.is_some() => format!("good until {}", at(self.expires_at)),
            KeyState::Active => "good".to_owned(),
        }
    }

    fn addresses(&self) -> String {
        if self.allowed_addresses.is_empty() { "any".to_owned() } else { self.allowed_addresses.join(",") }
    }

    fn last_used(&self) -> String {
        self.last_used_at.map_or_else(|| "never".to_owned(), |time| time.to_rfc3339())
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
            ("state", self.state()),
            ("scopes", self.scopes()),
            ("addresses", self.addresses()),
            ("created", self.created_at.to_rfc3339()),
            ("last used", self.last_used()),
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
                let addresses = addresses(create.allow_address)?;
                let new = NewKeySettings {
                    name: &create.name,
                    prefix: &create.prefix,
                    scopes,
                    lifetime: create.expires,
                    allowed_addresses: addresses.as_ref(),
                };
                let made = make(context, admin, org, new).await?;
                made.print(context, &format!("Created key {} ({}).", made.key_id, create.name));
                Ok(())
            }
            Self::List { org } => {
                let org = org::find(admin, &org).await?;
                let rows: Vec<ShownKey> =
                    admin.keys(org).await?.into_iter().map(|row| ShownKey::new(row, now)).collect();
                context.output.table(&TABLE, &rows, |row| {
                    let (id, created) = (row.key_id.to_string(), row.created_at.to_rfc3339());
                    let (state, addresses) = (row.state(), row.addresses());
                    let name = row.name.clone();
                    vec![id, row.beginning(), state, row.scopes(), addresses, created, row.last_used(), name]
                });
                Ok(())
            }
            Self::Show { id } => {
                let shown = ShownKey::new(admin.key(id).await?, now);
                shown.print(context, &shown.sentence());
                Ok(())
            }
            Self::Change(change) => change.run(context, admin).await,
            Self::Rotate(rotate) => rotate.run(context, admin).await,
            Self::Revoke { id } => {
                let before = ShownKey::new(admin.revoke_key(id, now).await?, now);
                let was = before.revoked_at.map(|at| format!("was revoked at {} already", at.to_rfc3339()));
                let became = was.unwrap_or_else(|| "is revoked. Replicas reject it within a second".to_owned());
                let revoked_at = before.revoked_at.or(Some(now));
                let shown = ShownKey { revoked_at, state: KeyState::Revoked, ..before };
                shown.print(context, &format!("{} {became}.", shown.sentence()));
                Ok(())
            }
        })
        .await
    }
}

impl Change {
    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let now = context.clock.now();
        let after = addresses(self.allow_address)?;
        let before = ShownKey::new(admin.set_key_addresses(self.id, after.as_ref()).await?, now);
        let was = before.addresses();
        let shown = ShownKey { allowed_addresses: after.map(|list| list.texts()).unwrap_or_default(), ..before };
        let change = match shown.addresses() {
            same if same == was => "Nothing was changed.".to_owned(),
            new => format!("Changed addresses: {was} -> {new}. Replicas apply it within a second."),
        };
        shown.print(context, &format!("{}. {change}", shown.sentence()));
        Ok(())
    }
}

/// Returns the networks that arguments name, or `None` if they name none.
fn addresses(networks: Vec<IpNet>) -> Result<Option<AllowedAddresses>, Failure> {
    Ok(if networks.is_empty() { None } else { Some(AllowedAddresses::new(networks)?) })
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

/// What a new key is to be.
pub(super) struct NewKeySettings<'a> {
    pub name: &'a str,
    pub prefix: &'a KeyPrefix,
    pub scopes: Scopes,
    /// `None` if the key does not expire.
    pub lifetime: Option<TimeDelta>,
    /// The networks from which it may be used; `None` for everywhere.
    pub allowed_addresses: Option<&'a AllowedAddresses>,
}

/// Creates a key and stores its hash.
pub(super) async fn make(
    context: &Context,
    admin: &AdminStore,
    org: OrgId,
    new: NewKeySettings<'_>,
) -> Result<Made, Failure> {
    let NewKeySettings { name, prefix, scopes, lifetime, allowed_addresses } = new;
    let key = ApiKey::generate(prefix, &context.mint);
    let id = KeyId(context.mint.uuid());
    let created_at = context.clock.now();
    // From the same time, so that a rotation computes the lifetime as it was given.
    let expires_at = lifetime.map(|lifetime| created_at + lifetime);
    let new = NewKey { id, org, name, prefix, key: &key, scopes, created_at, expires_at, allowed_addresses };
    admin.create_key(&new).await?;
    Ok(Made { key_id: id, org_id: org, api_key: key.expose().to_owned(), expires_at, replaces: None })
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
