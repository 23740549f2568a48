//! How many bytes a caller may send: with `x-org-id` alone, or with a credential.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;

use super::authenticator::Authenticator;
use crate::domain::{Credential, OrgId, Principal};
use crate::http::{ByteKind, Meter, PUBLIC_BODY_LIMIT, Record, Rejection};

/// The origin of a request, so that its bytes can be counted when the caller is known.
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
    /// Returns the allowance of this caller.
    #[must_use]
    pub fn of(self, principal: &Principal) -> Allowance {
        let is_public = principal.credential == Credential::OrgHeader;
        Allowance { allowance: self, org: principal.organization.id, is_public, prepaid: 0 }
    }
}

/// What one caller may send in one request.
pub struct Allowance {
    allowance: BodyAllowance,
    org: OrgId,
    is_public: bool,
    /// Bytes that were counted before they arrived.
    prepaid: usize,
}

impl Allowance {
    /// Returns whether the caller sent only `x-org-id`.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// Returns the limit of the body's bytes, where `limit` is the limit with a credential.
    #[must_use]
    pub fn body_limit(&self, limit: usize) -> usize {
        if self.is_public { limit.min(PUBLIC_BODY_LIMIT) } else { limit }
    }

    /// Counts bytes that will be stored.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] when the limit of this minute is exceeded.
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

    /// Counts received bytes that were not counted before.
    fn received(&mut self, bytes: usize) -> Result<(), Rejection> {
        let due = bytes.saturating_sub(self.prepaid);
        self.prepaid = self.prepaid.saturating_sub(bytes);
        self.count(ByteKind::Sent, due)
    }
}
