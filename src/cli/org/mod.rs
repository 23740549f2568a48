//! `org create`, `org list`, `org show`, `org responder`, `org limits`, `org storage`, `org retention`, `org disable`, `org enable`.

mod limits;
mod retention;
pub(super) mod shown;

use std::num::NonZeroU64;

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::changes::{Changes, OrDefault};
use super::home::administer;
use super::output::Table;
use super::{Context, Failure};
use crate::auth::JwtVerifier;
use crate::config::Settings;
use crate::domain::{OrgId, Responder, Timestamp};
use crate::store::admin::{AdminStore, NewOrganization, OrganizationRow, OrganizationSettings, as_bytes};
use limits::Limits;
use retention::Retention;
use shown::{Defaults, ShownOrganization};

#[derive(Subcommand)]
pub(super) enum Org {
    /// Create an organization
    Create(Create),
    /// List all organizations
    List,
    /// Show an organization with its settings
    Show {
        /// Its UUID or external id
        org: String,
    },
    /// Set what replies to messages if an agent has no responder of its own
    Responder {
        /// Its UUID or external id
        org: String,
        /// none, echo or a JSON object
        responder: Responder,
    },
    /// Show an organization's own limits, and change the given ones
    Limits(Limits),
    /// Show how much an organization stores, and set its quota
    Storage(Storage),
    /// Show after how many days sessions are erased, and change it
    Retention(Retention),
    /// Reject every credential of an organization
    Disable {
        /// Its UUID or external id
        org: String,
    },
    /// Accept the credentials of a disabled organization again
    Enable {
        /// Its UUID or external id
        org: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    #[arg(long)]
    name: String,
    /// Its id at the identity provider, such as org_2abc123
    #[arg(long)]
    external_id: Option<String>,
    /// The identity provider's name, as its tokens have it in `iss`; needed where the deployment trusts several
    #[arg(long, requires = "external_id")]
    issuer: Option<String>,
    /// What answers messages where an agent names nothing of its own: none, echo or a JSON object
    #[arg(long, default_value = "none")]
    responder: Responder,
}

#[derive(Args)]
pub(super) struct Storage {
    /// Its UUID or external id
    org: String,
    /// Bytes that it may store, or `default` for the deployment's quota (SESSIONARY_STORAGE_QUOTA)
    #[arg(long)]
    quota: Option<OrDefault<NonZeroU64>>,
}

#[derive(Serialize)]
struct Listed {
    org_id: Uuid,
    name: String,
    external_id: Option<String>,
    disabled: bool,
    created_at: Timestamp,
}

impl From<OrganizationRow> for Listed {
    fn from(row: OrganizationRow) -> Self {
        Self {
            org_id: row.org_id,
            name: row.name,
            external_id: row.external_id,
            disabled: row.disabled_at.is_some(),
            created_at: row.created_at,
        }
    }
}

const TABLE: Table<'_> = Table { name: "organizations", heads: &["id", "external id", "state", "created", "name"] };

impl Org {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match self {
            Self::Create(create) => create.run(context, admin).await,
            Self::List => {
                let rows: Vec<Listed> = admin.organizations().await?.into_iter().map(Listed::from).collect();
                context.output.table(&TABLE, &rows, |row| {
                    let state = if row.disabled { "disabled" } else { "enabled" };
                    let external_id = row.external_id.clone().unwrap_or_else(|| "-".to_owned());
                    let created = row.created_at.to_rfc3339();
                    vec![row.org_id.to_string(), external_id, state.to_owned(), created, row.name.clone()]
                });
                Ok(())
            }
            Self::Show { org } => {
                let shown = ShownOrganization::read(context, admin, find(admin, &org).await?).await?;
                context.output.details(&shown.sentence(), &shown.details(), &shown);
                Ok(())
            }
            Self::Responder { org, responder } => {
                change(context, admin, &org, |settings| settings.responder = responder).await
            }
            Self::Limits(limits) => limits.run(context, admin).await,
            Self::Storage(storage) => storage.run(context, admin).await,
            Self::Retention(retention) => retention.run(context, admin).await,
            Self::Disable { org } => {
                let now = context.clock.now();
                change(context, admin, &org, |settings| settings.disabled_at = settings.disabled_at.or(Some(now))).await
            }
            Self::Enable { org } => change(context, admin, &org, |settings| settings.disabled_at = None).await,
        })
        .await
    }
}

impl Storage {
    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        change(context, admin, &self.org, |settings| {
            if let Some(quota) = self.quota {
                settings.storage_quota = quota.0.map(as_bytes);
            }
        })
        .await
    }
}

impl Create {
    /// Returns the issuer under whose name the external id is registered; empty for every issuer.
    fn issuer<'c>(&'c self, settings: &'c Settings) -> Result<&'c str, Failure> {
        let trusted: Vec<&str> =
            settings.jwt.iter().flat_map(JwtVerifier::issuers).filter_map(|issuer| issuer.issuer.as_deref()).collect();
        match (&self.issuer, &self.external_id) {
            (Some(issuer), _) => Ok(issuer),
            // With several issuers, an id for every issuer would let each name the organizations of the others.
            (None, Some(_)) if trusted.len() > 1 => {
                Err(format!("--issuer is needed, because several are trusted: {}", trusted.join(", ")).into())
            }
            (None, _) => Ok(settings.jwt_issuer.as_deref().or(trusted.first().copied()).unwrap_or_default()),
        }
    }

    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let id = OrgId(context.mint.uuid());
        let issuer = self.issuer(&context.settings)?;
        admin
            .create_organization(&NewOrganization {
                id,
                name: &self.name,
                external_id: self.external_id.as_deref(),
                issuer,
                responder: &self.responder,
                created_at: context.clock.now(),
            })
            .await?;
        let shown = ShownOrganization::read(context, admin, id).await?;
        context.output.details(&format!("Created: {}", shown.sentence()), &shown.details(), &shown);
        Ok(())
    }
}

/// Changes an organization's settings by a rule, and prints the changes and the current settings.
async fn change(
    context: &Context,
    admin: &AdminStore,
    org: &str,
    rule: impl FnOnce(&mut OrganizationSettings) + Send,
) -> Result<(), Failure> {
    let id = find(admin, org).await?;
    let before = admin.change_organization(id, rule).await?;
    let mut shown = ShownOrganization::read(context, admin, id).await?;
    let changes = Changes::between(shown::settings_of(&before, Defaults::of(context)), shown.settings());
    let sentence = format!("{}. {}", shown.sentence(), changes.sentence("Replicas apply it within a second."));
    shown.changed = Some(changes.members());
    context.output.details(&sentence, &shown.details(), &shown);
    Ok(())
}

/// Returns the organization with this UUID or external id.
pub(super) async fn find(admin: &AdminStore, name: &str) -> Result<OrgId, Failure> {
    Ok(OrgId(admin.organization(name).await?.org_id))
}
