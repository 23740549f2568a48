//! `PATCH /v1/chat/contacts/{contactId}` (docs/dialects/agntix.md).

use http::StatusCode;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::contacts::contact::{ChatContact, ContactBody};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::domain::ids::parse_hyphenated_uuid;
use crate::http::{JsonBody, PathOf, Reply};
use crate::store::Kept;

/// Returns the id of the contact that a path names.
///
/// # Errors
/// [`AgntixError::ContactNotFound`] if the text is not a UUID.
pub(in crate::dialects::agntix) fn id_of(text: &str) -> Result<Uuid, AgntixError> {
    parse_hyphenated_uuid(text).ok_or(AgntixError::ContactNotFound)
}

/// Update contact
///
/// Changes the given members.
#[utoipa::path(
    patch,
    path = "/v1/chat/contacts/{contactId}",
    params(("contactId" = uuid::Uuid, Path, description = "The contact's id.")),
    request_body = ContactBody,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The contact.", body = ChatContact),
        (status = 409, description = "Another contact has this `externalId`."),
    )
)]
#[tracing::instrument(name = "agntix.update_contact", level = "debug", skip_all)]
pub async fn update_contact(
    caller: Caller<Agntix, purpose::WriteSessions>,
    path: PathOf<Agntix, String>,
    body: JsonBody<Agntix, ContactBody>,
) -> Result<Reply<ChatContact>, AgntixError> {
    let id = id_of(&path.0)?;
    let changes = body.0.validate()?;
    match caller.store.contacts().change(id, caller.now(), |contact| changes.apply(contact)).await? {
        Kept::Kept(contact) => Ok(Reply(StatusCode::OK, ChatContact::new(contact, &caller.principal.organization))),
        Kept::Taken => Err(AgntixError::ContactTaken),
        Kept::Gone => Err(AgntixError::ContactNotFound),
    }
}
