//! A client without a credential that has only the address of a public object: a browser that loads an image.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::authenticator::Authenticator;
use crate::domain::OrgId;
use crate::http::{Class, Network, Record, Rejection};
use crate::store::TenantStore;

/// A client without a credential. It can see what it knows the address of.
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
    /// Returns the client's network, or `None` for a request without a connection.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.address.map(Network::of)
    }

    /// Returns the store of the organization in the address, or `None` if the organization does not exist or is
    /// disabled. Counts as a read from the client's address, whatever the organization.
    ///
    /// # Errors
    /// 429 when the client's address has sent too many requests; 503 when the database cannot be reached.
    pub async fn store_of(&self, org: OrgId) -> Result<Option<TenantStore>, Rejection> {
        let counted = self.authenticator.limiter.count_stranger(Class::Read, self.address);
        if let (Some(Record(record)), Ok(Some(status)) | Err(status)) = (&self.record, &counted) {
            let _ = record.rate.set(*status);
        }
        counted.map_err(Rejection::RateLimited)?;
        if self.authenticator.store.directory().active_organization(org).await?.is_none() {
            return Ok(None);
        }
        if let Some(Record(record)) = &self.record {
            let _ = record.org.set(org);
        }
        Ok(Some(self.authenticator.store.tenant(org)))
    }
}
