//! `org create`, `org list`, `org responder`, `org limits`, `org storage`, `org disable`.

use std::num::{NonZeroU32, NonZeroU64};

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::output::Done;
use super::{Context, Failure};
use crate::domain::{OrgId, RateLimits, Responder};
use crate::store::admin::{AdminStore, NewOrganization, OrganizationRow};

#[derive(Subcommand)]
pub(super) enum Org {
    /// Make an organization
    Create(Create),
    /// List all organizations
    List,
    /// Set what answers messages where an agent names nothing of its own
    Responder {
        /// Its UUID or external id
        org: String,
        /// none, echo or a JSON object
        responder: Responder,
    },
    /// Set an organization's own limits; those not named are the house's again
    Limits(Limits),
    /// Show how much an organization stores, and set how much it may
    Storage(Storage),
    /// Refuse every credential of an organization
    Disable {
        /// Its UUID or external id
        org: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    #[arg(long)]
    name: String,
    /// What the identity provider calls it, such as org_2abc123
    #[arg(long)]
    external_id: Option<String>,
    /// What answers messages where an agent names nothing of its own: none, echo or a JSON object
    #[arg(long, default_value = "none")]
    responder: Responder,
}

#[derive(Args)]
pub(super) struct Limits {
    /// Its UUID or external id
    org: String,
    /// Captures per minute and credential
    #[arg(long)]
    capture: Option<NonZeroU32>,
    /// Writes per minute and credential
    #[arg(long)]
    writes: Option<NonZeroU32>,
    /// Reads per minute and credential
    #[arg(long)]
    reads: Option<NonZeroU32>,
    /// Take no captures that show x-org-id alone
    #[arg(long)]
    capture_closed: bool,
}

#[derive(Args)]
pub(super) struct Storage {
    /// Its UUID or external id
    org: String,
    /// Bytes that it may store
    #[arg(long, conflicts_with = "default")]
    quota: Option<NonZeroU64>,
    /// Let the deployment's quota apply again (SESSIONARY_STORAGE_QUOTA)
    #[arg(long)]
    default: bool,
}

#[derive(Serialize)]
struct ShownStorage {
    stored_bytes: i64,
    /// `None`: the deployment's.
    quota_bytes: Option<i64>,
}

#[derive(Serialize)]
struct Shown {
    org_id: Uuid,
    name: String,
    external_id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
}

impl From<OrganizationRow> for Shown {
    fn from(row: OrganizationRow) -> Self {
        Self { org_id: row.org_id, name: row.name, external_id: row.external_id, disabled: row.disabled_at.is_some() }
    }
}

impl Org {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match self {
            Self::Create(create) => create.run(context, admin).await,
            Self::List => {
                let rows: Vec<Shown> = admin.organizations().await?.into_iter().map(Shown::from).collect();
                context.output.rows("organizations", &rows, |row| {
                    let state = if row.disabled { "  disabled" } else { "" };
                    format!("{}  {}  {}{state}", row.org_id, row.external_id.as_deref().unwrap_or("-"), row.name)
                });
                Ok(())
            }
            Self::Responder { org, responder } => {
                admin.set_responder(find(admin, &org).await?, &responder).await?;
                context.output.line("The responder answers within a second.", &Done { ok: true });
                Ok(())
            }
            Self::Limits(limits) => {
                let org = find(admin, &limits.org).await?;
                let own = RateLimits { capture: limits.capture, writes: limits.writes, reads: limits.reads };
                admin.set_limits(org, !limits.capture_closed, own).await?;
                context.output.line("The limits hold within a second.", &Done { ok: true });
                Ok(())
            }
            Self::Storage(storage) => storage.run(context, admin).await,
            Self::Disable { org } => {
                let org = find(admin, &org).await?;
                admin.disable_organization(org, context.clock.now()).await?;
                context.output.line(&format!("Organization {org} is disabled."), &Done { ok: true });
                Ok(())
            }
        })
        .await
    }
}

impl Storage {
    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let org = find(admin, &self.org).await?;
        if self.quota.is_some() || self.default {
            admin.set_storage_quota(org, self.quota).await?;
        }
        let row = admin.storage(org).await?;
        let quota =
            row.storage_quota.map_or_else(|| "the deployment's quota".to_owned(), |quota| format!("{quota} bytes"));
        let sentence = format!("Organization {org} stores {} bytes of {quota}.", row.stored_bytes);
        let shown = ShownStorage { stored_bytes: row.stored_bytes, quota_bytes: row.storage_quota };
        context.output.line(&sentence, &shown);
        Ok(())
    }
}

impl Create {
    async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let id = OrgId(context.mint.uuid());
        admin
            .create_organization(&NewOrganization {
                id,
                name: &self.name,
                external_id: self.external_id.as_deref(),
                issuer: context.config.jwt_issuer(),
                responder: &self.responder,
                created_at: context.clock.now(),
            })
            .await?;
        let shown = Shown { org_id: id.0, name: self.name, external_id: self.external_id, disabled: false };
        context.output.line(&format!("Organization {id}"), &shown);
        Ok(())
    }
}

/// The organization of that UUID or external id.
pub(super) async fn find(admin: &AdminStore, name: &str) -> Result<OrgId, Failure> {
    Ok(OrgId(admin.organization(name).await?.org_id))
}
