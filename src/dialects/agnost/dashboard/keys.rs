//! `/dashboard/api/organization/event-keys` and `conversation-keys`: the members of metadata that a dashboard shows
//! (docs/dialects/agnost.md).

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{Agnost, AgnostError};
use crate::auth::{Caller, purpose};
use crate::domain::{JsonField, JsonText};
use crate::http::{JsonBody, Rejection, Reply};

const MAX_KEYS: usize = 1_000;
/// Bytes of a key.
const KEY_LIMIT: usize = 1_000;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewKeys {
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    keys: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    include_keys: JsonField,
}

/// The members of metadata that a dashboard shows.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    keys: Vec<String>,
    include_keys: Vec<String>,
}

fn list(given: &JsonField) -> Option<Vec<String>> {
    let keys = match given {
        JsonField::Absent | JsonField::Null => Vec::new(),
        JsonField::Array(keys) => keys.read::<Vec<String>>().ok()?,
        _ => return None,
    };
    (keys.len() <= MAX_KEYS && keys.iter().all(|key| key.len() <= KEY_LIMIT)).then_some(keys)
}

impl NewKeys {
    fn validate(&self) -> Result<Keys, AgnostError> {
        Ok(Keys {
            keys: list(&self.keys).ok_or(AgnostError::Invalid("keys must be an array of at most 1000 strings"))?,
            include_keys: list(&self.include_keys)
                .ok_or(AgnostError::Invalid("include_keys must be an array of at most 1000 strings"))?,
        })
    }
}

async fn read(caller: &Caller<Agnost, purpose::ReadEvents>, name: &str) -> Result<Reply<Keys>, AgnostError> {
    let setting = caller.store.dashboard().setting(name).await?;
    let keys = setting.map(|setting| setting.read()).transpose().map_err(|_| Rejection::Internal)?;
    Ok(Reply(StatusCode::OK, keys.unwrap_or_default()))
}

async fn store(
    caller: &Caller<Agnost, purpose::WriteEvents>,
    name: &str,
    new: &NewKeys,
) -> Result<Reply<Keys>, AgnostError> {
    let keys = new.validate()?;
    caller.store.dashboard().set(name, &JsonText::of(&keys).map_err(|_| Rejection::Internal)?).await?;
    Ok(Reply(StatusCode::OK, keys))
}

/// Event keys
#[utoipa::path(
    get,
    path = "/dashboard/api/organization/event-keys",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys.", body = Keys))
)]
#[tracing::instrument(name = "agnost.event_keys", level = "debug", skip_all)]
pub async fn event_keys(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<Reply<Keys>, AgnostError> {
    read(&caller, "event_keys").await
}

/// Set event keys
#[utoipa::path(
    put,
    path = "/dashboard/api/organization/event-keys",
    request_body = NewKeys,
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys as they are now.", body = Keys))
)]
#[tracing::instrument(name = "agnost.set_event_keys", level = "debug", skip_all)]
pub async fn set_event_keys(
    caller: Caller<Agnost, purpose::WriteEvents>,
    new: JsonBody<Agnost, NewKeys>,
) -> Result<Reply<Keys>, AgnostError> {
    store(&caller, "event_keys", &new.0).await
}

/// Conversation keys
#[utoipa::path(
    get,
    path = "/dashboard/api/organization/conversation-keys",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys.", body = Keys))
)]
#[tracing::instrument(name = "agnost.conversation_keys", level = "debug", skip_all)]
pub async fn conversation_keys(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<Reply<Keys>, AgnostError> {
    read(&caller, "conversation_keys").await
}

/// Set conversation keys
#[utoipa::path(
    put,
    path = "/dashboard/api/organization/conversation-keys",
    request_body = NewKeys,
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys as they are now.", body = Keys))
)]
#[tracing::instrument(name = "agnost.set_conversation_keys", level = "debug", skip_all)]
pub async fn set_conversation_keys(
    caller: Caller<Agnost, purpose::WriteEvents>,
    new: JsonBody<Agnost, NewKeys>,
) -> Result<Reply<Keys>, AgnostError> {
    store(&caller, "conversation_keys", &new.0).await
}
