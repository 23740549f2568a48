//! Organizations that are created when a token first names them.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::jwt::NamedOrganization;
use crate::domain::{Actor, OrgId, Responder, Timestamp};
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
    pub(super) async fn make(
        &self,
        (id, at): (OrgId, Timestamp),
        issuer: &str,
        named: &NamedOrganization<'_>,
        actor: Actor,
    ) -> Result<(), StoreError> {
        self.limit.check().map_err(|_| StoreError::Busy)?;
        let label = named.label.filter(|label| is_storable(label, MAX_NAME)).unwrap_or(named.id);
        let new = NewOrganization {
            id,
            name: label,
            external_id: Some(named.id),
            issuer,
            responder: &Responder::default(),
            created_at: at,
        };
        match self.admin.clone().acting_for(actor).create_organization(&new).await {
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

/// Returns `true` if an organization can be created for this external id.
pub(super) fn is_external_id(text: &str) -> bool {
    is_storable(text, MAX_EXTERNAL_ID)
}

fn is_storable(text: &str, limit: usize) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control) && text.chars().count() <= limit
}
