//! The front of the house: five doors, and the house's own pages.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use tower::{ServiceExt, service_fn};

use crate::dialects::{
    self, agent_key::AgentKeyDialect, agnost::Agnost, agntix::Agntix, integer_id::IntegerId, messaging::Messaging,
};
use crate::domain::DialectName;
use crate::http::{self, Dialect, Refusal};
use crate::{AppState, Deployment};

/// The whole service: the house's own pages, and behind them the dialect that owns the path.
pub fn build_app(deployment: Deployment) -> Router {
    let state = AppState::from(deployment);
    let descriptions = DialectName::ALL.map(|dialect| (dialect, dialects::openapi(dialect)));
    let doors = Arc::new(Doors {
        agnost: door::<Agnost>(&state),
        agntix: door::<Agntix>(&state),
        agent_key: door::<AgentKeyDialect>(&state),
        messaging: dialects::messaging::with_lenient_paths(door::<Messaging>(&state)),
        integer_id: door::<IntegerId>(&state),
    });
    http::house::routes(descriptions.into())
        .fallback_service(service_fn(move |request| doors.open(request)))
        .with_state(state)
}

/// One dialect's routes behind its door: whatever happens below its paths is answered in its envelope.
fn door<D: Dialect>(state: &AppState) -> Router {
    let (routes, _described) = dialects::routes(D::NAME).split_for_parts();
    routes
        .fallback(|| async { D::Error::from(Refusal::NoRoute) })
        .method_not_allowed_fallback(|| async { D::Error::from(Refusal::NoMethod) })
        .layer(from_fn_with_state(state.doorway(), http::door::<D>))
        .layer(http::cors::layer(&state.cors_origins))
        .with_state(state.clone())
}

struct Doors {
    agnost: Router,
    agntix: Router,
    agent_key: Router,
    messaging: Router,
    integer_id: Router,
}

impl Doors {
    /// Hands the request to the dialect that owns its path.
    fn open(&self, request: Request) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        let door = match DialectName::owner_of(request.uri().path()) {
            Some(DialectName::Agnost) => Some(&self.agnost),
            Some(DialectName::Agntix) => Some(&self.agntix),
            Some(DialectName::AgentKey) => Some(&self.agent_key),
            Some(DialectName::Messaging) => Some(&self.messaging),
            Some(DialectName::IntegerId) => Some(&self.integer_id),
            None => None,
        };
        let opened = door.map(|door| door.clone().oneshot(request));
        async move {
            let response = match opened {
                Some(answer) => answer.await?,
                None => http::house::not_found(),
            };
            Ok(http::response_headers::private(response).await)
        }
    }
}
