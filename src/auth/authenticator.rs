//! What authentication needs of the deployment.

use ipnet::IpNet;

use super::jwt::{JwtVerifier, Provisioning};
use crate::domain::{Clock, Mint, OrgId};
use crate::http::RateLimiter;
use crate::store::Store;

/// What authentication works with.
pub struct Authenticator {
    pub store: Store,
    pub clock: Clock,
    pub mint: Mint,
    pub limiter: RateLimiter,
    /// Without one, tokens are rejected.
    pub jwt: Option<JwtVerifier>,
    /// Makes organizations that tokens name for the first time; without it, they are rejected.
    pub provisioning: Option<Provisioning>,
    pub trusted_proxies: Vec<IpNet>,
    pub default_org: Option<DefaultOrg>,
}

/// The organization of the messaging dialect's anonymous calls.
#[derive(Clone, Copy, Debug)]
pub struct DefaultOrg {
    pub id: OrgId,
    /// Also for calls from other machines; else only for those from this one, to a name of this one.
    pub anywhere: bool,
}
