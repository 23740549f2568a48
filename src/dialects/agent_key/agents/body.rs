//! The body of an agent, with its members in the order in which they were sent.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use utoipa::ToSchema;

use crate::domain::JsonField;

/// A JSON object with its members in order. A repeated member is an error. Unknown members are included.
#[derive(Debug, Default)]
pub struct Members(pub IndexMap<String, JsonField>);

impl Members {
    /// Removes a member and returns it.
    pub(super) fn take(&mut self, name: &str) -> JsonField {
        self.0.shift_remove(name).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = IndexMap::new();
                while let Some((name, value)) = map.next_entry::<String, JsonField>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member comes twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// An agent that is created or replaced.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`, which has what is not named here")]
pub struct CreateAgent {
    /// 1 to 50 characters.
    name: String,
    #[serde(flatten)]
    members: AgentMembers,
}

/// The members of an agent to change. An absent member stays unchanged.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`, which has what is not named here")]
pub struct UpdateAgent {
    /// 1 to 50 characters.
    name: Option<String>,
    #[serde(flatten)]
    members: AgentMembers,
}

/// The members of an agent. Members that are not named here are stored and returned as they were sent.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`, which has what is not named here")]
pub struct AgentMembers {
    /// 1 to 50 characters of `0-9`, `a-z`, `A-Z`, `_` and `-`, unique in the organization; generated from the name if
    /// absent.
    #[schema(pattern = "^[0-9a-zA-Z_-]{1,50}$")]
    key: Option<String>,
    /// At most 10,000 characters.
    description: Option<String>,
    /// Tools by their names; they are stored, but not called.
    #[schema(value_type = Option<Object>)]
    tool_configurations: Option<()>,
    #[schema(value_type = Option<Object>)]
    skills: Option<()>,
    /// `{"name": …}`; it is stored, but the agent's responder replies.
    #[schema(value_type = Option<Object>)]
    model: Option<()>,
    #[schema(value_type = Option<Object>)]
    first_step: Option<()>,
    first_step_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    steps: Option<()>,
    /// At most 65,536 UTF-16 code units as compact JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    #[schema(default = true)]
    enabled: Option<bool>,
    #[schema(value_type = Option<Object>)]
    compaction: Option<()>,
    #[schema(value_type = Option<Object>)]
    tool_output_offloading: Option<()>,
}
