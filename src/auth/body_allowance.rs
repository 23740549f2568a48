//! How much a caller may send: what the public `x-org-id` alone allows, and what a credential does.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::authenticator::Authenticator;
use crate::domain::{Credential, OrgId, Principal};
use crate::http::{ByteKind, Meter, PUBLIC_BODY_LIMIT, Record, Rejection};

/// Where a request comes from, so that its bytes can be counted once the caller is known.
pub struct BodyAllowance {
    authenticator: Arc<Authenticator>,
    address: Option<IpAddr>,
    record: Option<Record>,
}

impl<S> FromRequestParts<S> for BodyAllowance
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

impl BodyAllowance {
    /// Returns what this caller may send.
    #[must_use]
    pub fn of(self, principal: &Principal) -> Allowance {
        let is_public = principal.credential == Credential::OrgHeader;
        Allowance { allowance: self, org: principal.organization.id, is_public, prepaid: 0 }
    }
}

/// What one caller may send with one request.
pub struct Allowance {
    allowance: BodyAllowance,
    org: OrgId,
    is_public: bool,
    /// Bytes that were counted before they came.
    prepaid: usize,
}

impl Allowance {
    /// Returns whether the caller shows `x-org-id` and nothing else.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// Returns how many bytes the body may have, where a credential's may have `limit`.
    #[must_use]
    pub fn body_limit(&self, limit: usize) -> usize {
        if self.is_public { limit.min(PUBLIC_BODY_LIMIT) } else { limit }
    }

    /// Counts bytes that are about to be stored.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] when they are too many for this minute.
    pub fn stored(&self, bytes: usize) -> Result<(), Rejection> {
        self.count(ByteKind::Stored, bytes)
    }

    fn count(&self, what: ByteKind, bytes: usize) -> Result<(), Rejection> {
        if !self.is_public {
            return Ok(());
        }
        let BodyAllowance { authenticator, address, record } = &self.allowance;
        authenticator.limiter.bytes.count(what, self.org, *address, bytes).map_err(|status| {
            if let Some(Record(record)) = record {
                let _ = record.exceeded.set(status);
            }
            Rejection::RateLimited(status)
        })
    }
}

impl Meter for Allowance {
    fn expect(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.count(ByteKind::Sent, bytes)?;
        self.prepaid += bytes;
        Ok(())
    }

    /// Counts bytes as far as they were not counted before.
    fn received(&mut self, bytes: usize) -> Result<(), Rejection> {
        let due = bytes.saturating_sub(self.prepaid);
        self.prepaid = self.prepaid.saturating_sub(bytes);
        self.count(ByteKind::Sent, due)
    }
}
