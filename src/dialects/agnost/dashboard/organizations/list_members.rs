//! `GET /dashboard/api/organizations/{id}/members` (docs/dialects/agnost.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::organizations::member::Member;
use crate::dialects::agnost::dashboard::organizations::organization::is_own;
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::{PathOf, Reply};

/// Members
///
/// The members in the order in which they were added.
#[utoipa::path(
    get,
    path = "/dashboard/api/organizations/{id}/members",
    params(("id" = Uuid, Path)),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The members.", body = Vec<Member>),
        (status = 404, description = "Not the caller's organization."),
    )
)]
#[tracing::instrument(name = "agnost.members", level = "debug", skip_all)]
pub async fn members(
    caller: Caller<Agnost, purpose::ReadSessions>,
    path: PathOf<Agnost, String>,
) -> Result<Reply<Vec<Member>>, AgnostError> {
    person(&caller)?;
    is_own(&caller, &path.0)?;
    let rows = caller.store.dashboard().members().await?;
    Ok(Reply(StatusCode::OK, rows.into_iter().map(Member::of).collect()))
}
