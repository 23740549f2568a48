//! Vectara: agents and sessions under keys (apis/agent_key).

mod create_session;
mod error;
mod get_session;
mod session;
mod session_key;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::AgentKeyError;

use crate::AppState;
use crate::domain::DialectName;
use crate::http::{About, Dialect, RateHeaders};

pub struct AgentKeyDialect;

impl Dialect for AgentKeyDialect {
    const NAME: DialectName = DialectName::AgentKey;
    type Error = AgentKeyError;

    fn render(error: &AgentKeyError, about: &About) -> axum::response::Response {
        error.render(about)
    }

    /// This vendor tells its callers nothing of limits; a 429 carries `Retry-After`.
    fn rate_headers() -> Option<RateHeaders> {
        None
    }
}

pub fn routes() -> OpenApiRouter<AppState> {
    super::described("Vectara agent sessions", "The agent session API of Vectara, version 2.")
        .routes(routes!(create_session::create_session))
        .routes(routes!(get_session::get_session))
}
