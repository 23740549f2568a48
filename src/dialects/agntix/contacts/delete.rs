//! `DELETE /v1/chat/contacts/{contactId}` (docs/dialects/agntix.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::contacts::update::id_of;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::http::PathOf;

/// Delete contact
///
/// Sessions still contain the contact that they were created with.
#[utoipa::path(
    delete,
    path = "/v1/chat/contacts/{contactId}",
    params(("contactId" = uuid::Uuid, Path, description = "The contact's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The contact was deleted."),
    )
)]
#[tracing::instrument(name = "agntix.delete_contact", level = "debug", skip_all)]
pub async fn delete_contact(
    caller: Caller<Agntix, purpose::WriteSessions>,
    path: PathOf<Agntix, String>,
) -> Result<StatusCode, AgntixError> {
    let found = caller.store.contacts().delete(id_of(&path.0)?).await?;
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(AgntixError::ContactNotFound) }
}
