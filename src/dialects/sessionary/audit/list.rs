//! `GET /sessionary/v1/audit`.

use axum::response::Response;

use super::entry::AuditEntry;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::store::StoreError;

/// List the audit log
///
/// Returns the entries of the organization, newest first.
#[utoipa::path(
    get,
    path = "/sessionary/v1/audit",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "A page of the log.", body = Page<AuditEntry>))
)]
#[tracing::instrument(name = "sessionary.list_audit", level = "debug", skip_all)]
pub async fn list_audit(
    caller: Caller<Sessionary, purpose::ReadAudit>,
    raw: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&raw, caller.store.org(), &[])?;
    let before: Option<i64> = list.after()?;
    let mut rows = caller.store.audit_log().page(before, list.limit as i64 + 1).await?;
    let has_more = rows.len() > list.limit;
    rows.truncate(list.limit);
    let next = rows.last().filter(|_| has_more).map(|row| row.number);
    let entries = rows.into_iter().map(AuditEntry::try_from).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(list.page(entries, next))
}
