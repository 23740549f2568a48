//! The front of the house: five doors, and the house's own pages.

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use tower::ServiceExt;

use crate::AppState;
use crate::dialects::{
    self, agent_key::AgentKeyDialect, agnost::Agnost, agntix::Agntix, integer_id::IntegerId, messaging::Messaging,
};
use crate::domain::DialectName;
use crate::http::{self, Dialect, Doorway, Refusal};

/// The whole service: the house's own pages, and behind them the dialect that owns the path.
pub fn build_app(state: AppState) -> Router {
    let descriptions = DialectName::ALL.map(|dialect| (dialect, dialects::openapi(dialect)));
    let doors = Doors {
        agnost: door::<Agnost>(&state),
        agntix: door::<Agntix>(&state),
        agent_key: door::<AgentKeyDialect>(&state),
        messaging: dialects::messaging::with_lenient_paths(door::<Messaging>(&state)),
        integer_id: door::<IntegerId>(&state),
    };
    http::house::routes(descriptions.into())
        .fallback(move |request: Request| {
            let doors = doors.clone();
            async move { doors.open(request).await }
        })
        .with_state(state)
}

/// One dialect's routes behind its door: whatever happens below its paths is answered in its envelope.
fn door<D: Dialect>(state: &AppState) -> Router {
    let (routes, _described) = dialects::routes(D::NAME).split_for_parts();
    routes
        .fallback(|| async { D::Error::from(Refusal::NoRoute) })
        .method_not_allowed_fallback(|| async { D::Error::from(Refusal::NoMethod) })
        .layer(from_fn_with_state(Doorway::from_ref(state), http::door::<D>))
        .layer(http::cors::layer(&state.cors_origins))
        .with_state(state.clone())
}

#[derive(Clone)]
struct Doors {
    agnost: Router,
    agntix: Router,
    agent_key: Router,
    messaging: Router,
    integer_id: Router,
}

impl Doors {
    async fn open(self, request: Request) -> Response {
        let door = match DialectName::owner_of(request.uri().path()) {
            Some(DialectName::Agnost) => self.agnost,
            Some(DialectName::Agntix) => self.agntix,
            Some(DialectName::AgentKey) => self.agent_key,
            Some(DialectName::Messaging) => self.messaging,
            Some(DialectName::IntegerId) => self.integer_id,
            None => return http::house::not_found(),
        };
        match door.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
