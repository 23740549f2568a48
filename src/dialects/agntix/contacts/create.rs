//! `POST /v1/chat/contacts` (docs/dialects/agntix.md).

use axum::response::Response;
use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::contacts::contact::{ChatContact, ContactBody};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::http::Reply;
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::Kept;

/// Create contact
#[utoipa::path(
    post,
    path = "/v1/chat/contacts",
    params(IdempotencyKeyHeader),
    request_body = ContactBody,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Contact created.", body = ChatContact),
        (status = 409, description = "Another contact has this `externalId`."),
    )
)]
pub async fn create_contact(
    caller: Caller<Agntix, purpose::WriteSessions>,
    request: Idempotent<Agntix, ContactBody>,
) -> Response {
    request.respond(caller, create).await
}

#[tracing::instrument(name = "agntix.create_contact", level = "debug", skip_all)]
async fn create(
    caller: Caller<Agntix, purpose::WriteSessions>,
    body: ContactBody,
) -> Result<Reply<ChatContact>, AgntixError> {
    let contact = body.validate()?.contact(caller.mint.uuid(), caller.now());
    match caller.store.contacts().create(&contact).await? {
        Kept::Kept(contact) => {
            Ok(Reply(StatusCode::CREATED, ChatContact::new(contact, &caller.principal.organization)))
        }
        Kept::Taken | Kept::Gone => Err(AgntixError::ContactTaken),
    }
}
