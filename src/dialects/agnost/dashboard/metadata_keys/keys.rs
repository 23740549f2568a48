//! Which members of metadata a dashboard shows.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::{JsonField, JsonText};
use crate::http::{Rejection, Reply};

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

pub async fn read_keys(caller: &Caller<Agnost, purpose::ReadEvents>, name: &str) -> Result<Reply<Keys>, AgnostError> {
    let stored = caller.store.dashboard().setting(name).await?;
    let keys = stored.map(|json| json.read()).transpose().map_err(|_| Rejection::Internal)?;
    Ok(Reply(StatusCode::OK, keys.unwrap_or_default()))
}

pub async fn store_keys(
    caller: &Caller<Agnost, purpose::WriteEvents>,
    name: &str,
    new: &NewKeys,
) -> Result<Reply<Keys>, AgnostError> {
    let keys = new.validate()?;
    caller.store.dashboard().set(name, &JsonText::of(&keys).map_err(|_| Rejection::Internal)?).await?;
    Ok(Reply(StatusCode::OK, keys))
}
