//! The application: its state, and the router that passes each request to the API that owns its path.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::HeaderValue;
use axum::Router;
use axum::extract::{FromRef, Request};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::Service;

use crate::auth::{self, Authenticator, BaseUrl, LeakReports, Operators};
use crate::conversation::Conversations;
use crate::dialects::{
    self, agent_key::AgentKeyDialect, agnost::Agnost, agntix, agntix::Agntix, integer_id, integer_id::IntegerId,
    messaging, messaging::Messaging, sessionary, sessionary::Sessionary,
};
use crate::domain::{ApiName, Contract, DialectName};
use crate::http::system_routes::ApiDocument;
use crate::http::{
    self, CostlyWork, Dialect, EnvelopeState, LargeBodies, LowPriority, Readiness, Rejection, StartedAt,
};
use crate::idempotency::WaitTimeout;
use crate::store::Store;

/// Returns the whole service: its own routes, and every API below its paths.
pub fn build_app(deployment: Deployment) -> App {
    let state = AppState::from(deployment);
    let mut documents = Vec::new();
    App(Arc::new(Routers {
        agnost: router_of::<Agnost>(&state, &mut documents),
        agntix: router_of::<Agntix>(&state, &mut documents),
        agent_key: router_of::<AgentKeyDialect>(&state, &mut documents),
        messaging: router_of::<Messaging>(&state, &mut documents),
        integer_id: router_of::<IntegerId>(&state, &mut documents),
        sessionary: router_of::<Sessionary>(&state, &mut documents),
        system: http::system_routes::routes(documents).merge(auth::leaked_key_routes()).with_state(state),
    }))
}

/// Returns the routes of one API, and adds its document. Every error below its paths is in its envelope.
fn router_of<D: Dialect>(state: &AppState, documents: &mut Vec<ApiDocument>) -> Router {
    let (routes, mut document) = dialects::routes(D::NAME).split_for_parts();
    dialects::complete(D::NAME, &mut document);
    documents.push(ApiDocument::new(D::NAME, &document));
    routes
        .fallback(|| async { D::Error::from(Rejection::NoRoute) })
        .method_not_allowed_fallback(|| async { D::Error::from(Rejection::NoMethod) })
        .layer(http::ContextLayer::<D>::new(state.envelope_state(), http::cors::layer(&state.cors_origins)))
        .with_state(state.clone())
}

/// The service. It passes each request to the router that owns its path, which is the only one that the request passes
/// through. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Routers>);

struct Routers {
    agnost: Router,
    agntix: Router,
    agent_key: Router,
    messaging: Router,
    integer_id: Router,
    sessionary: Router,
    /// Those of the service itself, for every other path.
    system: Router,
}

impl Service<Request> for App {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let routers = &*self.0;
        let router = match ApiName::owner_of(request.uri().path()) {
            Some(ApiName::Dialect(DialectName::Agnost)) => &routers.agnost,
            Some(ApiName::Dialect(DialectName::Agntix)) => &routers.agntix,
            Some(ApiName::Dialect(DialectName::AgentKey)) => &routers.agent_key,
            Some(ApiName::Dialect(DialectName::Messaging)) => {
                messaging::spell_plainly(&mut request);
                &routers.messaging
            }
            Some(ApiName::Dialect(DialectName::IntegerId)) => &routers.integer_id,
            Some(ApiName::Sessionary) => &routers.sessionary,
            None => &routers.system,
        };
        router.clone().call(request)
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
