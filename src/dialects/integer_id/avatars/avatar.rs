//! What the routes of avatars share (docs/dialects/integer-id.md).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::integer_id::error::Bare;
use crate::domain::{AgentNumber, JsonField, Patch};
use crate::store::AvatarChanges;

/// Characters of a name and a voice's id; bytes of a URL. The vendor documents no limits.
const NAME_LIMIT: usize = 200;
const URL_LIMIT: usize = 2_048;

/// The members of an avatar in a create or an update.
#[derive(Default, Deserialize, ToSchema)]
pub struct AvatarBody {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(in crate::dialects::integer_id) name: JsonField,
    /// An http or https URL of at most 2,048 bytes.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(in crate::dialects::integer_id) url: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(in crate::dialects::integer_id) voice_id: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub(in crate::dialects::integer_id) is_favorite: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub(in crate::dialects::integer_id) is_public: JsonField,
}

impl AvatarBody {
    pub(in crate::dialects::integer_id) fn validate(self) -> Result<AvatarChanges, Bare> {
        let name = match self.name {
            JsonField::Absent | JsonField::Null => None,
            JsonField::String(name) if (1..=NAME_LIMIT).contains(&name.chars().count()) => Some(name),
            _ => return Err(Bare::Invalid("name must be a string of 1 to 200 characters")),
        };
        let url = match self.url {
            JsonField::Absent | JsonField::Null => None,
            JsonField::String(url) if is_http(&url) => Some(url),
            _ => return Err(Bare::Invalid("url must be an http or https URL of at most 2048 bytes")),
        };
        let voice_id = match self.voice_id {
            JsonField::Absent => Patch::Keep,
            JsonField::Null => Patch::Clear,
            JsonField::String(voice) if voice.chars().count() <= NAME_LIMIT => Patch::Set(voice),
            _ => return Err(Bare::Invalid("voice_id must be a string of at most 200 characters")),
        };
        Ok(AvatarChanges {
            name,
            url,
            voice_id,
            is_favorite: truth(&self.is_favorite, "is_favorite must be a boolean")?,
            is_public: truth(&self.is_public, "is_public must be a boolean")?,
        })
    }
}

/// Returns a boolean, which may also be sent as 0 or 1 as the lists show it.
fn truth(given: &JsonField, fault: &'static str) -> Result<Option<bool>, Bare> {
    match (given, given.as_i64()) {
        (JsonField::Absent | JsonField::Null, _) => Ok(None),
        (JsonField::Bool(value), _) => Ok(Some(*value)),
        (_, Some(0)) => Ok(Some(false)),
        (_, Some(1)) => Ok(Some(true)),
        _ => Err(Bare::Invalid(fault)),
    }
}

fn is_http(text: &str) -> bool {
    text.len() <= URL_LIMIT
        && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Returns the number of the avatar that a path names.
///
/// # Errors
/// [`Bare::AvatarNotFound`] if no avatar can have this number.
pub(in crate::dialects::integer_id) fn number_of(text: &str) -> Result<i64, Bare> {
    // Avatars' numbers are written like agents' numbers.
    text.parse().map(AgentNumber::get).map_err(|_| Bare::AvatarNotFound)
}

/// The response of a change that returns nothing else.
#[derive(Serialize, ToSchema)]
pub struct Done {
    success: bool,
}

impl Done {
    pub(in crate::dialects::integer_id) const DONE: Self = Self { success: true };
}
