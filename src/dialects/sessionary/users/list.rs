//! `GET /sessionary/v1/users`.

use axum::response::Response;

use super::user::User;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{List, Page};
use crate::dialects::sessionary::query::{RawQuery, invalid, once};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::session_user::MAX_USER_ID_BYTES;

/// List users
///
/// Returns the users whose sessions the organization has, in the order of the bytes of their ids.
#[utoipa::path(
    get,
    path = "/sessionary/v1/users",
    params(
        ("prefix" = Option<String>, Query, description = "Only users whose ids begin with this text."),
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "A page of users.", body = Page<User>))
)]
#[tracing::instrument(name = "sessionary.list_users", level = "debug", skip_all)]
pub async fn list_users(
    caller: Caller<Sessionary, purpose::ReadSessions>,
    raw: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&raw, caller.store.org(), &[once("prefix")])?;
    let prefix = list.query().text("prefix").unwrap_or_default();
    if prefix.len() > MAX_USER_ID_BYTES || prefix.contains('\0') {
        return Err(invalid("prefix", "must have at most 2048 bytes, without U+0000"));
    }
    let after: Option<String> = list.after()?;
    let page = caller.store.users().list(prefix, after.as_deref(), list.limit as i64).await?;
    Ok(list.page(page.users.into_iter().map(User::from).collect(), page.next))
}
