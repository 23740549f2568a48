//! What every request may need.

use std::ops::Deref;
use std::sync::Arc;

use ::http::HeaderValue;
use axum::extract::FromRef;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::auth::{BaseUrl, Gate};
use crate::conversation::Conversations;
use crate::dialects::{agntix, integer_id, messaging};
use crate::domain::Contract;
use crate::http::{CostlyWork, Doorway, LargeBodies, LowPriority, Readiness, StartedAt};
use crate::idempotency::Patience;
use crate::store::Store;

/// What a deployment is made of, and what it decides.
pub struct Deployment {
    pub gate: Arc<Gate>,
    pub contract: Contract,
    pub cors_origins: Arc<[HeaderValue]>,
    /// How long a repeated request waits for the first.
    pub patience: Patience,
    pub conversations: Conversations,
    /// The deployment's bounds for the time-outs of messaging sessions.
    pub messaging: messaging::Bounds,
    /// What the deployment decides about Agntix's sessions.
    pub agntix: agntix::Settings,
    /// The places for Agent Human's images on their way.
    pub transfers: integer_id::Transfers,
    pub readiness: Readiness,
    /// The permits for work that takes the processor for longer than a moment.
    pub costly: CostlyWork,
    /// The threads for what takes the processor for longer than a moment.
    pub low_priority: LowPriority,
    /// What large bodies may take.
    pub large_bodies: LargeBodies,
    /// Where the service is reached; `None` for wherever a request was sent.
    pub public_url: Option<BaseUrl>,
    pub started_at: StartedAt,
    /// `None` where nobody collects metrics.
    pub metrics: Option<PrometheusHandle>,
}

impl Deployment {
    /// A deployment that decides nothing, as from now.
    #[must_use]
    pub fn new(gate: Arc<Gate>, conversations: Conversations) -> Self {
        Self {
            contract: Contract::default(),
            cors_origins: Arc::default(),
            patience: Patience::default(),
            conversations,
            messaging: messaging::Bounds::default(),
            agntix: agntix::Settings::default(),
            transfers: integer_id::Transfers::default(),
            readiness: Readiness::new(gate.clock.clone()),
            costly: CostlyWork::default(),
            low_priority: LowPriority::default(),
            large_bodies: LargeBodies::default(),
            public_url: None,
            started_at: StartedAt(gate.clock.now()),
            metrics: None,
            gate,
        }
    }

    /// What the dialects' doors need of it.
    #[must_use]
    pub fn doorway(&self) -> Doorway {
        Doorway {
            clock: self.gate.clock.clone(),
            mint: self.gate.mint.clone(),
            large_bodies: self.large_bodies.clone(),
            responses: self.gate.limiter.responses.clone(),
            low_priority: self.low_priority.clone(),
        }
    }
}

/// The deployment as requests share it: a router clones its state several times for each.
#[derive(Clone)]
pub struct AppState(Arc<Deployment>);

impl From<Deployment> for AppState {
    fn from(deployment: Deployment) -> Self {
        Self(Arc::new(deployment))
    }
}

impl Deref for AppState {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        &self.0
    }
}

impl FromRef<AppState> for Arc<Gate> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gate)
    }
}

impl FromRef<AppState> for Store {
    fn from_ref(state: &AppState) -> Self {
        state.gate.store.clone()
    }
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        state.readiness.clone()
    }
}

impl FromRef<AppState> for Contract {
    fn from_ref(state: &AppState) -> Self {
        state.contract
    }
}

impl FromRef<AppState> for Patience {
    fn from_ref(state: &AppState) -> Self {
        state.patience
    }
}

impl FromRef<AppState> for Conversations {
    fn from_ref(state: &AppState) -> Self {
        state.conversations.clone()
    }
}

impl FromRef<AppState> for messaging::Bounds {
    fn from_ref(state: &AppState) -> Self {
        state.messaging
    }
}

impl FromRef<AppState> for agntix::Settings {
    fn from_ref(state: &AppState) -> Self {
        state.agntix.clone()
    }
}

impl FromRef<AppState> for integer_id::Transfers {
    fn from_ref(state: &AppState) -> Self {
        state.transfers.clone()
    }
}

impl FromRef<AppState> for CostlyWork {
    fn from_ref(state: &AppState) -> Self {
        state.costly.clone()
    }
}

impl FromRef<AppState> for LargeBodies {
    fn from_ref(state: &AppState) -> Self {
        state.large_bodies.clone()
    }
}

impl FromRef<AppState> for Option<BaseUrl> {
    fn from_ref(state: &AppState) -> Self {
        state.public_url.clone()
    }
}

impl FromRef<AppState> for StartedAt {
    fn from_ref(state: &AppState) -> Self {
        state.started_at
    }
}

impl FromRef<AppState> for Option<PrometheusHandle> {
    fn from_ref(state: &AppState) -> Self {
        state.metrics.clone()
    }
}
