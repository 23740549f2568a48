//! Which organization a token names, and the making of one that is named for the first time.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::JwtSettings;
use super::claims::{Claims, NamedOrganization};
use crate::auth::Authenticator;
use crate::domain::{OrgId, Organization, Responder};
use crate::http::{Lookup, Rejection};
use crate::store::StoreError;
use crate::store::admin::{AdminError, AdminStore, NewOrganization};

/// Characters of an external id that an organization is made for. Identity providers' ids have some 30.
const MAX_EXTERNAL_ID: usize = 255;
/// Characters of the name that such an organization gets.
const MAX_NAME: usize = 200;
/// Organizations that one replica makes in a minute.
const MAX_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

/// What makes organizations when tokens first name them. Clones share the limit.
#[derive(Clone)]
pub struct Provisioning {
    admin: AdminStore,
    limit: Arc<DefaultDirectRateLimiter>,
}

impl Provisioning {
    #[must_use]
    pub fn new(admin: AdminStore) -> Self {
        Self { admin, limit: Arc::new(RateLimiter::direct(Quota::per_minute(MAX_PER_MINUTE))) }
    }

    /// Makes the organization that a verified token names, unless another request has made it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many were made in this minute; [`StoreError::Unavailable`] when the database cannot
    /// be reached.
    async fn make(
        &self,
        authenticator: &Authenticator,
        issuer: &str,
        named: &NamedOrganization<'_>,
    ) -> Result<(), StoreError> {
        self.limit.check().map_err(|_| StoreError::Busy)?;
        let id = OrgId(authenticator.mint.uuid());
        let label = named.label.filter(|label| is_storable(label, MAX_NAME)).unwrap_or(named.id);
        let new = NewOrganization {
            id,
            name: label,
            external_id: Some(named.id),
            issuer,
            responder: &Responder::default(),
            created_at: authenticator.clock.now(),
        };
        match self.admin.create_organization(&new).await {
            Ok(()) => {
                tracing::info!(organization = %id, "auth.organization_made");
                Ok(())
            }
            Err(AdminError::Taken(_)) => Ok(()),
            Err(AdminError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "auth.organization_not_made");
                Err(StoreError::Unavailable)
            }
        }
    }
}

fn is_storable(text: &str, limit: usize) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control) && text.chars().count() <= limit
}

/// Returns the organization that a verified token names; `None` where there is none, or where it is disabled.
///
/// An external id that is registered for the token's issuer comes first, because it is what the issuer vouches for. The
/// only issuer of a deployment may also name organizations by external ids that are registered for every issuer, and by
/// their UUIDs; of several issuers, each has organizations of its own.
pub(super) async fn of_token(
    authenticator: &Authenticator,
    settings: &JwtSettings,
    is_only: bool,
    claims: &Claims,
    address: Option<IpAddr>,
) -> Result<Option<Arc<Organization>>, Rejection> {
    let Some(named) = claims.organization(settings.org_claim.as_deref()) else { return Ok(None) };
    let issuer = &claims.issuer;
    let look = || async {
        let directory = authenticator.store.directory();
        let id = if is_only {
            let id = directory.external_id(issuer, named.id).await?;
            id.or_else(|| named.id.parse::<OrgId>().ok())
        } else {
            directory.own_external_id(issuer, named.id).await?
        };
        match id {
            Some(id) => directory.organization(id).await,
            None => Ok(None),
        }
    };
    let provisioning = authenticator.provisioning.as_ref();
    let provisioning = provisioning.filter(|_| settings.provisions && is_storable(named.id, MAX_EXTERNAL_ID));
    let found = match provisioning {
        Some(provisioning) => match look().await? {
            None => {
                provisioning.make(authenticator, issuer, &named).await?;
                look().await?
            }
            found => found,
        },
        None => {
            let lookup = Lookup::Organization(issuer.clone(), named.id.to_owned());
            authenticator.limiter.lookups().counted(address, lookup, look()).await?
        }
    };
    Ok(found.filter(|organization| organization.disabled_at.is_none()))
}
