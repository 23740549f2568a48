//! What the avatars' routes share (apis/integer_id, section 5).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Bare;
use crate::domain::{AgentNumber, Given};
use crate::store::AvatarChanges;

/// Characters of a name and a voice's id; bytes of a URL. The vendor documents no limits.
const NAME_LIMIT: usize = 200;
const URL_LIMIT: usize = 2_048;

/// What can be said of an avatar, when it is made or changed.
#[derive(Default, Deserialize, ToSchema)]
pub struct AvatarBody {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) name: Given,
    /// An http or https URL of at most 2,048 bytes.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) url: Given,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) voice_id: Given,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub(super) is_favorite: Given,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub(super) is_public: Given,
}

impl AvatarBody {
    pub(super) fn validate(self) -> Result<AvatarChanges, Bare> {
        let name = match self.name {
            Given::Absent | Given::Null => None,
            Given::String(name) if (1..=NAME_LIMIT).contains(&name.chars().count()) => Some(name),
            _ => return Err(Bare::Invalid("name must be a string of 1 to 200 characters")),
        };
        let url = match self.url {
            Given::Absent | Given::Null => None,
            Given::String(url) if is_http(&url) => Some(url),
            _ => return Err(Bare::Invalid("url must be an http or https URL of at most 2048 bytes")),
        };
        let voice_id = match self.voice_id {
            Given::Absent => None,
            Given::Null => Some(None),
            Given::String(voice) if voice.chars().count() <= NAME_LIMIT => Some(Some(voice)),
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

/// A boolean, or the 0 and 1 that the lists show.
fn truth(given: &Given, fault: &'static str) -> Result<Option<bool>, Bare> {
    match (given, given.as_i64()) {
        (Given::Absent | Given::Null, _) => Ok(None),
        (Given::Bool(value), _) => Ok(Some(*value)),
        (_, Some(0)) => Ok(Some(false)),
        (_, Some(1)) => Ok(Some(true)),
        _ => Err(Bare::Invalid(fault)),
    }
}

fn is_http(text: &str) -> bool {
    text.len() <= URL_LIMIT
        && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The number that a text names an avatar by.
pub(super) fn number_of(text: &str) -> Result<i64, Bare> {
    // Avatars' numbers are written as agents' are.
    text.parse().map(AgentNumber::get).map_err(|_| Bare::AvatarNotFound)
}

/// What a change answers that has nothing else to tell.
#[derive(Serialize, ToSchema)]
pub struct Done {
    success: bool,
}

impl Done {
    pub(super) const DONE: Self = Self { success: true };
}
