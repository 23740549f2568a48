//! An organization as commands print it.

use std::num::NonZeroU32;

use serde::Serialize;

use crate::cli::changes::Setting;
use crate::cli::{Context, Failure};
use crate::domain::{OrgId, RateLimits, Responder, Timestamp};
use crate::http::rate_limit;
use crate::store::admin::{AdminStore, OrganizationSettings};

#[derive(Serialize)]
pub(super) struct ShownOrganization {
    pub org_id: OrgId,
    pub name: String,
    pub external_id: Option<String>,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
    pub responder: Responder,
    pub capture_open: bool,
    /// Its own limits of each credential.
    pub limits: RateLimits,
    /// Its own limits of all credentials together.
    pub total_limits: RateLimits,
    pub stored_bytes: i64,
    /// `None` uses the deployment's.
    pub quota_bytes: Option<i64>,
    /// The members that a command changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<&'static str>>,
    #[serde(skip)]
    defaults: Defaults,
}

/// What applies to organizations without settings of their own.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    quota: u64,
    total_factor: NonZeroU32,
}

impl Defaults {
    pub fn of(context: &Context) -> Self {
        Self { quota: context.settings.storage_quota, total_factor: context.settings.total_rate_factor }
    }
}

impl ShownOrganization {
    pub async fn read(context: &Context, admin: &AdminStore, id: OrgId) -> Result<Self, Failure> {
        let details = admin.organization_details(id).await?;
        let settings = details.settings;
        Ok(Self {
            org_id: id,
            name: details.name,
            external_id: details.external_id,
            created_at: details.created_at,
            disabled_at: settings.disabled_at,
            responder: settings.responder,
            capture_open: settings.capture_open,
            limits: settings.rate_limits,
            total_limits: settings.total_rate_limits,
            stored_bytes: details.stored_bytes,
            quota_bytes: settings.storage_quota,
            changed: None,
            defaults: Defaults::of(context),
        })
    }

    /// Returns a description of the organization.
    pub fn sentence(&self) -> String {
        format!("Organization {} ({})", self.org_id, self.name)
    }

    pub fn settings(&self) -> Vec<Setting> {
        let settings = OrganizationSettings {
            responder: self.responder.clone(),
            capture_open: self.capture_open,
            rate_limits: self.limits,
            total_rate_limits: self.total_limits,
            storage_quota: self.quota_bytes,
            disabled_at: self.disabled_at,
        };
        settings_of(&settings, self.defaults)
    }

    pub fn details(&self) -> Vec<(&'static str, String)> {
        let mut details = vec![
            ("external id", self.external_id.clone().unwrap_or_else(|| "none".to_owned())),
            ("created", self.created_at.to_rfc3339()),
            ("stored", format!("{} bytes", self.stored_bytes)),
        ];
        details.extend(Setting::details(self.settings()));
        details
    }
}

/// Returns each setting's name and value, in the order in which they are shown.
pub(super) fn settings_of(settings: &OrganizationSettings, defaults: Defaults) -> Vec<Setting> {
    let limit = |own: Option<NonZeroU32>, default: NonZeroU32| match own {
        Some(own) => format!("{own} a minute"),
        None => format!("{default} a minute (default)"),
    };
    let total = |own: Option<NonZeroU32>| match own {
        Some(own) => format!("{own} a minute"),
        None => format!("{} times those of a credential (default)", defaults.total_factor),
    };
    let (limits, totals) = (&settings.rate_limits, &settings.total_rate_limits);
    let state = match settings.disabled_at {
        Some(at) => format!("disabled since {}", at.to_rfc3339()),
        None => "enabled".to_owned(),
    };
    let quota = match settings.storage_quota {
        Some(quota) => format!("{quota} bytes"),
        None => format!("{} bytes (the deployment's)", defaults.quota),
    };
    let capture = if settings.capture_open { "open" } else { "closed" };
    vec![
        Setting::new("disabled_at", "state", state),
        Setting::new("responder", "responder", responder_text(&settings.responder)),
        Setting::new("capture_open", "captures with x-org-id alone", capture.to_owned()),
        Setting::new("limits.capture", "captures", limit(limits.capture, rate_limit::CAPTURES)),
        Setting::new("limits.writes", "writes", limit(limits.writes, rate_limit::WRITES)),
        Setting::new("limits.reads", "reads", limit(limits.reads, rate_limit::READS)),
        Setting::new("total_limits.capture", "captures of all credentials", total(totals.capture)),
        Setting::new("total_limits.writes", "writes of all credentials", total(totals.writes)),
        Setting::new("total_limits.reads", "reads of all credentials", total(totals.reads)),
        Setting::new("quota_bytes", "storage quota", quota),
    ]
}

/// Describes a responder, without the query of its URL, because some endpoints have their secret there.
pub(in crate::cli) fn responder_text(responder: &Responder) -> String {
    match responder {
        Responder::None | Responder::Echo => responder.kind().to_owned(),
        Responder::OpenAi(openai) => format!("openai: {} at {:?}", openai.model.as_str(), openai.base_url),
        Responder::Webhook(webhook) => format!("webhook: {:?}", webhook.url),
    }
}
