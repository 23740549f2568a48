//! What every request may need.

use std::sync::Arc;

use ::http::HeaderValue;
use axum::extract::FromRef;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::auth::Gate;
use crate::domain::Contract;
use crate::http::Doorway;
use crate::idempotency::Patience;
use crate::store::Store;

/// The state that requests share. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub gate: Arc<Gate>,
    pub contract: Contract,
    pub cors_origins: Arc<[HeaderValue]>,
    /// How long a repeated request waits for the first.
    pub patience: Patience,
    /// `None` where nobody collects metrics.
    pub metrics: Option<PrometheusHandle>,
}

impl FromRef<AppState> for Arc<Gate> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gate)
    }
}

impl FromRef<AppState> for Doorway {
    fn from_ref(state: &AppState) -> Self {
        Self { clock: state.gate.clock.clone(), mint: state.gate.mint.clone() }
    }
}

impl FromRef<AppState> for Store {
    fn from_ref(state: &AppState) -> Self {
        state.gate.store.clone()
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

impl FromRef<AppState> for Option<PrometheusHandle> {
    fn from_ref(state: &AppState) -> Self {
        state.metrics.clone()
    }
}
