//! `PATCH /api/messaging/sessions/{sessionId}/timeout` (docs/dialects/messaging.md).

use axum::extract::State;
use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::sessions::info::SessionInfo;
use crate::dialects::messaging::sessions::session;
use crate::dialects::messaging::sessions::timeouts::{Bounds, GivenTimeouts, TimeoutConfig};
use crate::dialects::messaging::{Messaging, MessagingError, body};
use crate::domain::{AgentRef, JsonText};
use crate::http::{PathOf, Reply};

/// Update session timeout
///
/// Replaces the settings: an absent member gets its default. Unlike in a create, a time-out out of its bounds is
/// rejected. The new settings may make the session expire.
#[utoipa::path(
    patch,
    path = "/api/messaging/sessions/{sessionId}/timeout",
    params(("sessionId" = String, Path, description = "The session's id.")),
    request_body = GivenTimeouts,
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The session with its new settings.", body = SessionInfo),
        (status = 410, description = "The session has expired."),
    )
)]
#[tracing::instrument(name = "messaging.set_timeout", level = "debug", skip_all)]
pub async fn set_timeout(
    State(bounds): State<Bounds>,
    caller: Caller<Messaging, purpose::WriteSessions>,
    path: PathOf<Messaging, String>,
    body: body::Members,
) -> Result<Reply<SessionInfo>, MessagingError> {
    let open = session::find(&caller, &path.0).await?;
    let rejected = |reason| MessagingError::InvalidTimeout { reason, given: body.json().cloned() };
    let given: GivenTimeouts =
        body.read()?.ok_or_else(|| rejected("Invalid timeout configuration format".to_owned()))?;
    given.validate(&bounds).map_err(rejected)?;

    let agent = match open.session.agent {
        Some(id) => caller.store.agents().find(&AgentRef::Id(id)).await?,
        None => None,
    };
    let settings = agent.map_or_else(JsonText::empty_object, |agent| agent.settings.clone());
    let config = TimeoutConfig::clamped(&given, &bounds, bounds.of_agent(&settings));
    let changed = session::change(&caller, &path.0, move |open, now| {
        let before = std::mem::replace(&mut open.detail.timeout_config, config.clone());
        open.detail.first_timeout_config.get_or_insert(before);
        open.lifetime.hold_to(&config.timeouts(), now);
    })
    .await?;
    Ok(Reply(StatusCode::OK, SessionInfo::new(changed.open, caller.now())))
}
