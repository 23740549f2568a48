//! `POST /dashboard/api/event-io` (docs/dialects/agnost.md). The vendor's page shows no body; this one is
//! this service's own.

use axum::extract::Request;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::events::event::CapturedEvent;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{EventId, JsonField};
use crate::http::{Reply, json_bytes, parse_object};

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct EventQuery {
    #[serde(default)]
    #[schema(value_type = Uuid, required = true)]
    event_id: JsonField,
}

/// Event input and output
///
/// One event with its whole text. An event whose `event_id` is not a UUID is found by its `id`.
#[utoipa::path(
    post,
    path = "/dashboard/api/event-io",
    request_body = EventQuery,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The event.", body = CapturedEvent),
        (status = 404, description = "No such event."),
    )
)]
#[tracing::instrument(name = "agnost.event_io", level = "debug", skip_all)]
pub async fn event_io(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<CapturedEvent>, AgnostError> {
    let query: EventQuery = parse_object(&json_bytes(request).await?)?;
    let id = query
        .event_id
        .as_str()
        .and_then(parse_hyphenated_uuid)
        .ok_or(AgnostError::Invalid("event_id must be a UUID"))?;
    let found = caller.store.captures().event(EventId(id)).await?;
    let row = found.ok_or(AgnostError::Missing("Event"))?;
    Ok(Reply(StatusCode::OK, CapturedEvent::of(row)?))
}
