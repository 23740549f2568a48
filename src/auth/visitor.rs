//! Somebody who shows no credential, only the address of something that was given out: a browser that loads an image.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::authenticator::Authenticator;
use crate::domain::OrgId;
use crate::http::{Class, Network, Record, Rejection};
use crate::store::TenantStore;

/// Whoever asks. What they may see is what they can name.
pub struct Visitor {
    authenticator: Arc<Authenticator>,
    address: Option<IpAddr>,
    record: Option<Record>,
}

impl<S> FromRequestParts<S> for Visitor
where
    S: Send + Sync,
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        let address = authenticator.client_address(parts);
        Ok(Self { authenticator, address, record: parts.extensions.get().cloned() })
    }
}

impl Visitor {
    /// Returns the network that the visitor calls from; `None` where the request came over no connection.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.address.map(Network::of)
    }

    /// The store of the organization that the visitor names, to look for what else was named; `None` where there is no
    /// such organization, or it is disabled. Counted as a read from the visitor's address, whichever is named.
    ///
    /// # Errors
    /// 429; 503 when the database cannot be reached.
    pub async fn store_of(&self, org: OrgId) -> Result<Option<TenantStore>, Rejection> {
        let counted = self.authenticator.limiter.count_stranger(Class::Read, self.address);
        if let (Some(Record(record)), Ok(Some(status)) | Err(status)) = (&self.record, &counted) {
            let _ = record.rate.set(*status);
        }
        counted.map_err(Rejection::RateLimited)?;
        let organization = self.authenticator.store.directory().organization(org).await?;
        if organization.is_none_or(|organization| organization.disabled_at.is_some()) {
            return Ok(None);
        }
        if let Some(Record(record)) = &self.record {
            let _ = record.org.set(org);
        }
        Ok(Some(self.authenticator.store.tenant(org)))
    }
}
