//! `POST /dashboard/api/organization/api-keys` (docs/dialects/agnost.md): for people with a token alone.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::{ApiKey, IssuedKey, JsonField, KeyId, KeyPrefix};
use crate::http::{JsonBody, Reply};

/// Characters of a name.
const NAME_LIMIT: usize = 200;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewApiKey {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    name: JsonField,
}

/// A new key: the only response that contains the secret key itself.
#[derive(Serialize, ToSchema)]
pub struct MadeApiKey {
    /// `agnost_` and 64 hexadecimal digits. It is shown only once.
    api_key: String,
}

/// Create API key
///
/// The key has the caller's scopes. An organization can have 1,000 keys that are neither deleted nor expired.
#[utoipa::path(
    post,
    path = "/dashboard/api/organization/api-keys",
    request_body = NewApiKey,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The key.", body = MadeApiKey),
        (status = 403, description = "The user is not an administrator of the organization."),
        (status = 409, description = "The organization already has 1,000 keys."),
    )
)]
#[tracing::instrument(name = "agnost.create_api_key", level = "debug", skip_all)]
pub async fn create_api_key(
    caller: Caller<Agnost, purpose::Manage>,
    new: JsonBody<Agnost, NewApiKey>,
) -> Result<Reply<MadeApiKey>, AgnostError> {
    let created_by = person(&caller)?;
    let name = new.0.name.as_str().filter(|name| (1..=NAME_LIMIT).contains(&name.chars().count()));
    let name = name.ok_or(AgnostError::Invalid("name must be a string of 1 to 200 characters"))?;
    let key = ApiKey::generate(&KeyPrefix::agnost(), &caller.mint);
    let id = KeyId(caller.mint.uuid());
    let issued =
        IssuedKey { created_by, ..IssuedKey::named(id, name.to_owned(), &key, caller.principal.scopes, caller.now()) };
    if !caller.store.api_keys().issue(&key, &issued).await? {
        return Err(AgnostError::TooManyKeys);
    }
    Ok(Reply(StatusCode::CREATED, MadeApiKey { api_key: key.expose().to_owned() }))
}
