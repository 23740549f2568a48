//! Other services in front of the same organization.

use std::sync::Arc;

use sessionary::auth::Gate;
use sessionary::domain::Mint;
use sessionary::http::RateLimiter;
use sessionary::store::Store;
use sessionary::{Deployment, build_app};

use super::{TestApp, store};

impl TestApp {
    /// Another service in front of the same organization, all of whose chance comes from `seed`.
    pub async fn seeded(&self, seed: u64) -> Self {
        self.beside(store().await.clone(), Mint::seeded(seed))
    }

    /// Another service in front of the same organization, with this way to the database.
    pub fn replica(&self, store: Store) -> Self {
        self.beside(store, Mint::system())
    }

    fn beside(&self, store: Store, mint: Mint) -> Self {
        let gate = Gate {
            store,
            clock: self.clock.clone(),
            mint: mint.clone(),
            limiter: RateLimiter::new(true, self.clock.clone()),
            jwt: None,
            trusted_proxies: Vec::new(),
            default_org: None,
        };
        let router = build_app(Deployment::new(Arc::new(gate), self.conversations.clone()));
        Self {
            router,
            conversations: self.conversations.clone(),
            stop: self.stop.clone(),
            clock: self.clock.clone(),
            mint,
            org: self.org,
            key: self.key.clone(),
            external_id: self.external_id.clone(),
        }
    }
}
