//! `GET /v1/chat/contacts` (docs/dialects/agntix.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::contacts::contact::ChatContact;
use crate::dialects::agntix::paging::{Pagination, Paging};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::dialects::shared::document::LenientInteger;
use crate::http::{QueryPairs, Reply};

const DEFAULT_LIMIT: i64 = 20;

#[derive(Serialize, ToSchema)]
pub struct ContactList {
    data: Vec<ChatContact>,
    pagination: Pagination,
}

/// List contacts
///
/// Newest first. One response searches the next 10,000 contacts and has at most 4 MiB; `pagination.nextCursor`
/// continues the list.
#[utoipa::path(
    get,
    path = "/v1/chat/contacts",
    params(
        ("page" = Option<LenientInteger>, Query, description = "From 1; a number out of bounds is moved to the nearest bound."),
        ("limit" = Option<LenientInteger>, Query, description = "1 to 100, by default 20; also `pageSize`."),
        ("search" = Option<String>, Query, description = "Part of the name, the e-mail address, the phone number or the external id, in any case."),
        ("cursor" = Option<String>, Query, description = "`pagination.nextCursor` of an earlier response; pages are counted from there."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The contacts.", body = ContactList),
    )
)]
#[tracing::instrument(name = "agntix.list_contacts", level = "debug", skip_all)]
pub async fn list_contacts(
    caller: Caller<Agntix, purpose::ReadSessions>,
    pairs: QueryPairs,
) -> Result<Reply<ContactList>, AgntixError> {
    let paging = Paging::read(&pairs, DEFAULT_LIMIT)?;
    let search = pairs.first("search").filter(|text| !text.is_empty());
    // No contact contains U+0000, and Postgres rejects texts with it.
    if search.is_some_and(|text| text.contains('\0')) {
        let pagination = Pagination::new(paging, 0, None);
        return Ok(Reply(StatusCode::OK, ContactList { data: Vec::new(), pagination }));
    }
    let found = caller.store.contacts().list(search, paging.after, paging.skip(), paging.limit).await?;
    let organization = &caller.principal.organization;
    let pagination = Pagination::new(paging, found.total, found.next);
    let data = found.contacts.into_iter().map(|contact| ChatContact::new(contact, organization)).collect();
    Ok(Reply(StatusCode::OK, ContactList { data, pagination }))
}
