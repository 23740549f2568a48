//! `GET /sessionary/v1/organizations`.

use axum::extract::State;
use axum::response::Response;

use super::organization::{WireListed, admit, failed};
use crate::auth::{Caller, Operators, purpose};
use crate::dialects::sessionary::page::{ByTime, List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};

/// List organizations
///
/// For operators. The newest come first.
#[utoipa::path(
    get,
    path = "/sessionary/v1/organizations",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The organizations.", body = Page<WireListed>),
        (status = 403, description = "The caller is no operator."),
    )
)]
#[tracing::instrument(name = "sessionary.list_organizations", level = "debug", skip_all)]
pub async fn list_organizations(
    State(operators): State<Operators>,
    caller: Caller<Sessionary, purpose::ReadSettings>,
    query: RawQuery,
) -> Result<Response, SessionaryError> {
    let admin = admit(&operators, &caller)?;
    let list = List::of(&query, caller.store.org(), &[])?;
    let after = list.after::<ByTime>()?.map(|cursor| (cursor.at, cursor.id));
    let mut rows = admin.organizations_page(after, list.limit + 1).await.map_err(failed)?;
    let more = rows.len() > list.limit;
    rows.truncate(list.limit);
    let next = rows.last().filter(|_| more).map(|last| ByTime { at: last.created_at, id: last.org_id });
    Ok(list.page(rows.into_iter().map(WireListed::from).collect(), next))
}
