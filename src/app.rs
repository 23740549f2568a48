//! The application: its state, and the router that passes each request to the API that owns its path.

use std::convert::Infallible;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use ::http::HeaderValue;
use axum::Router;
use axum::extract::{FromRef, Request};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::{ServiceExt, service_fn};

use crate::auth::{self, Authenticator, BaseUrl, LeakReports, Operators};
use crate::conversation::Conversations;
use crate::dialects::{
    self, agent_key::AgentKeyDialect, agnost::Agnost, agntix, agntix::Agntix, integer_id, integer_id::IntegerId,
    messaging, messaging::Messaging, sessionary, sessionary::Sessionary,
};
use crate::domain::{ApiName, Contract, DialectName};
use crate::http::{
    self, CostlyWork, Dialect, EnvelopeState, LargeBodies, LowPriority, Readiness, Rejection, StartedAt,
};
use crate::idempotency::WaitTimeout;
use crate::store::Store;

/// Returns the router of the whole service: the system routes, and every API below its own paths.
pub fn build_app(deployment: Deployment) -> Router {
    let state = AppState::from(deployment);
    let descriptions = ApiName::ALL.map(|api| (api, dialects::openapi(api)));
    let routers = Arc::new(ApiRouters {
        agnost: router_of::<Agnost>(&state),
        agntix: router_of::<Agntix>(&state),
        agent_key: router_of::<AgentKeyDialect>(&state),
        messaging: dialects::messaging::with_lenient_paths(router_of::<Messaging>(&state)),
        integer_id: router_of::<IntegerId>(&state),
        sessionary: router_of::<Sessionary>(&state),
    });
    http::system_routes::routes(descriptions.into())
        .merge(auth::leaked_key_routes())
        .fallback_service(service_fn(move |request| routers.route(request)))
        .with_state(state)
}

/// Returns the routes of one API. Every error below its paths is in its envelope.
fn router_of<D: Dialect>(state: &AppState) -> Router {
    let (routes, _described) = dialects::routes(D::NAME).split_for_parts();
    routes
        .fallback(|| async { D::Error::from(Rejection::NoRoute) })
        .method_not_allowed_fallback(|| async { D::Error::from(Rejection::NoMethod) })
        .layer(from_fn_with_state(state.envelope_state(), http::request_context::<D>))
        .layer(http::cors::layer(&state.cors_origins))
        .with_state(state.clone())
}

struct ApiRouters {
    agnost: Router,
    agntix: Router,
    agent_key: Router,
    messaging: Router,
    integer_id: Router,
    sessionary: Router,
}

impl ApiRouters {
    /// Sends the request to the API that owns its path.
    fn route(&self, request: Request) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        let router = match ApiName::owner_of(request.uri().path()) {
            Some(ApiName::Dialect(DialectName::Agnost)) => Some(&self.agnost),
            Some(ApiName::Dialect(DialectName::Agntix)) => Some(&self.agntix),
            Some(ApiName::Dialect(DialectName::AgentKey)) => Some(&self.agent_key),
            Some(ApiName::Dialect(DialectName::Messaging)) => Some(&self.messaging),
            Some(ApiName::Dialect(DialectName::IntegerId)) => Some(&self.integer_id),
            Some(ApiName::Sessionary) => Some(&self.sessionary),
            None => None,
        };
        let routed = router.map(|router| router.clone().oneshot(request));
        async move {
            let response = match routed {
                Some(response) => response.await?,
                None => http::system_routes::not_found(),
            };
            Ok(http::response_headers::private(response).await)
        }
    }
}

/// The parts and the settings of a deployment.
pub struct Deployment {
    pub authenticator: Arc<Authenticator>,
    pub contract: Contract,
    pub cors_origins: Arc<[HeaderValue]>,
    /// How long a repeated request waits for the first.
    pub wait_timeout: WaitTimeout,
    pub conversations: Conversations,
    /// The limits of the time-outs of messaging sessions.
    pub messaging: messaging::Bounds,
    /// The settings of Agntix's sessions.
    pub agntix: agntix::Settings,
    /// The permits for uploads and downloads of Agent Human's images.
    pub transfers: integer_id::Transfers,
    pub readiness: Readiness,
    /// The permits for exports and imports of sessions.
    pub exports: sessionary::ExportPermits,
    /// The permits for work that uses the processor for longer than a moment.
    pub costly: CostlyWork,
    /// The threads for work that uses the processor for longer than a moment.
    pub low_priority: LowPriority,
    /// The limits of large bodies.
    pub large_bodies: LargeBodies,
    /// Accepts reports of leaked keys; `None` if there is no such route.
    pub leak_reports: Option<LeakReports>,
    /// The URL of the service; `None` uses the URL of each request.
    pub public_url: Option<BaseUrl>,
    /// Whose callers manage all organizations.
    pub operators: Operators,
    pub started_at: StartedAt,
    /// `None` if this process does not collect metrics.
    pub metrics: Option<PrometheusHandle>,
}

impl Deployment {
    /// Returns a deployment with default settings that starts now.
    #[must_use]
    pub fn new(authenticator: Arc<Authenticator>, conversations: Conversations) -> Self {
        Self {
            contract: Contract::default(),
            cors_origins: Arc::default(),
            wait_timeout: WaitTimeout::default(),
            conversations,
            messaging: messaging::Bounds::default(),
            agntix: agntix::Settings::default(),
            transfers: integer_id::Transfers::default(),
            exports: sessionary::ExportPermits::default(),
            readiness: Readiness::new(authenticator.clock.clone()),
            costly: CostlyWork::default(),
            low_priority: LowPriority::default(),
            large_bodies: LargeBodies::default(),
            leak_reports: None,
            public_url: None,
            operators: Operators::default(),
            started_at: StartedAt(authenticator.clock.now()),
            metrics: None,
            authenticator,
        }
    }

    /// Returns the state of the dialects' request context.
    #[must_use]
    pub fn envelope_state(&self) -> EnvelopeState {
        EnvelopeState {
            clock: self.authenticator.clock.clone(),
            mint: self.authenticator.mint.clone(),
            large_bodies: self.large_bodies.clone(),
            responses: self.authenticator.limiter.responses.clone(),
            low_priority: self.low_priority.clone(),
        }
    }
}

/// The deployment, shared by all requests. It is cheap to clone, because a router clones its state several times for
/// each request.
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

impl FromRef<AppState> for Arc<Authenticator> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.authenticator)
    }
}

impl FromRef<AppState> for Store {
    fn from_ref(state: &AppState) -> Self {
        state.authenticator.store.clone()
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

impl FromRef<AppState> for WaitTimeout {
    fn from_ref(state: &AppState) -> Self {
        state.wait_timeout
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

impl FromRef<AppState> for sessionary::ExportPermits {
    fn from_ref(state: &AppState) -> Self {
        state.exports.clone()
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

impl FromRef<AppState> for Option<LeakReports> {
    fn from_ref(state: &AppState) -> Self {
        state.leak_reports.clone()
    }
}

impl FromRef<AppState> for Option<BaseUrl> {
    fn from_ref(state: &AppState) -> Self {
        state.public_url.clone()
    }
}

impl FromRef<AppState> for Operators {
    fn from_ref(state: &AppState) -> Self {
        state.operators.clone()
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
