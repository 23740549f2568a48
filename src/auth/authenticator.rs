//! The parts of the deployment that authentication uses.

use ipnet::IpNet;

use super::jwt::JwtVerifier;
use super::provisioning::Provisioning;
use crate::domain::{Clock, Mint, OrgId};
use crate::http::RateLimiter;
use crate::store::Store;

/// Everything that authentication uses.
pub struct Authenticator {
    pub store: Store,
    pub clock: Clock,
    pub mint: Mint,
    pub limiter: RateLimiter,
    /// `None` rejects all tokens.
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
    /// Also for calls from other machines; otherwise only for those from this machine to one of its names.
    pub anywhere: bool,
}
