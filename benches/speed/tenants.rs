//! The organizations of the benchmark, created in the program's database.

use std::num::NonZeroU32;

use sessionary::domain::{
    AgentId, AgentNumber, ApiKey, Clock, KeyId, KeyPrefix, Mint, NewAgent, OrgId, RateLimits, Responder, Scopes,
};
use sessionary::store::admin::{AdminStore, NewKey, NewOrganization};

use crate::Failure;

pub const AGENT: &str = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
pub const AGENT_KEY: &str = "customer_support";
pub const AGENT_NUMBER: i64 = 123;

/// An organization, and an API key with all scopes.
pub struct Tenant {
    pub org: OrgId,
    pub key: String,
}

/// Creates organizations without a responder. Their rate limits are counted and never reached.
pub async fn create(admin: &AdminStore, count: usize) -> Result<Vec<Tenant>, Failure> {
    let (clock, mint, prefix) = (Clock::system(), Mint::system(), KeyPrefix::default());
    let mut tenants = Vec::with_capacity(count);
    for _ in 0..count {
        let (org, now) = (OrgId(mint.uuid()), clock.now());
        let new = NewOrganization {
            id: org,
            name: "bench",
            external_id: None,
            issuer: "",
            responder: &Responder::None,
            created_at: now,
        };
        admin.create_organization(&new).await?;
        let most = Some(NonZeroU32::MAX);
        let limits = RateLimits { capture: most, writes: most, reads: most };
        admin
            .change_organization(org, |settings| {
                (settings.rate_limits, settings.total_rate_limits) = (limits, limits);
            })
            .await?;
        let agent = NewAgent {
            number: AgentNumber::new(AGENT_NUMBER),
            ..NewAgent::named(AGENT.parse::<AgentId>()?, AGENT_KEY.parse()?, "Sales Support Agent".to_owned(), now)
        };
        admin.create_agent(org, &agent).await?;
        let key = ApiKey::generate(&prefix, &mint);
        let new = NewKey {
            id: KeyId(mint.uuid()),
            org,
            name: "bench",
            prefix: &prefix,
            key: &key,
            scopes: Scopes::EVERY,
            created_at: now,
            expires_at: None,
            allowed_addresses: None,
        };
        admin.create_key(&new).await?;
        tenants.push(Tenant { org, key: key.expose().to_owned() });
    }
    Ok(tenants)
}
