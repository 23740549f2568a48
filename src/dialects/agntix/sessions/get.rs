//! `GET /v1/chat/chat/sessions/{sessionId}` (docs/dialects/agntix.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::sessions::session::{self, ChatSession};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::http::{PathOf, Reply};

/// Get session
///
/// An unknown id of any format is 404.
#[utoipa::path(
    get,
    path = "/v1/chat/chat/sessions/{sessionId}",
    params(("sessionId" = String, Path, description = "The session's id, `ses_…`.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The session.", body = ChatSession),
    )
)]
#[tracing::instrument(name = "agntix.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<Agntix, purpose::ReadSessions>,
    path: PathOf<Agntix, String>,
) -> Result<Reply<ChatSession>, AgntixError> {
    let session = session::find(&caller, &path.0).await?;
    Ok(Reply(StatusCode::OK, ChatSession::new(session, &caller.principal.organization, caller.now())))
}
