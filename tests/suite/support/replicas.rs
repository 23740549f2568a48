//! Other services for the same organization.

use axum::Router;
use std::sync::Arc;

use sessionary::auth::Authenticator;
use sessionary::conversation::Conversations;
use sessionary::domain::Mint;
use sessionary::http::RateLimiter;
use sessionary::responders::RespondersSettings;
use sessionary::store::Store;
use sessionary::{Deployment, build_app};
use tokio_util::sync::CancellationToken;

use super::app::conversations;
use super::{TestApp, store};

impl TestApp {
    /// Returns another service for the same organization that takes all randomness from `seed`.
    pub async fn seeded(&self, seed: u64) -> Self {
        self.beside(store().await.clone(), Mint::seeded(seed))
    }

    /// Returns another service for the same organization, with this store.
    pub fn replica(&self, store: Store) -> Self {
        self.beside(store, Mint::system())
    }

    /// Returns a replica that shares only the database: its turns are separate, too.
    pub fn apart(&self, store: Store, responders: RespondersSettings) -> Self {
        let stop = CancellationToken::new();
        let conversations = conversations(&self.clock, responders, &stop);
        Self { conversations: conversations.clone(), stop, ..self.with_turns(store, Mint::system(), conversations) }
    }

    fn beside(&self, store: Store, mint: Mint) -> Self {
        self.with_turns(store, mint, self.conversations.clone())
    }

    fn with_turns(&self, store: Store, mint: Mint, conversations: Conversations) -> Self {
        let authenticator = Authenticator {
            store,
            clock: self.clock.clone(),
            mint: mint.clone(),
            limiter: RateLimiter::new(true, self.clock.clone()),
            jwt: None,
            provisioning: None,
            trusted_proxies: Vec::new(),
            default_org: None,
        };
        let router =
            Router::new().fallback_service(build_app(Deployment::new(Arc::new(authenticator), conversations.clone())));
        Self {
            router,
            conversations,
            stop: self.stop.clone(),
            clock: self.clock.clone(),
            mint,
            org: self.org,
            key: self.key.clone(),
            external_id: self.external_id.clone(),
        }
    }
}
