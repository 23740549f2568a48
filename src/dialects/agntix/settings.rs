//! What a deployment decides about Agntix's sessions.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a deployment decides. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How long a session may be idle until it expires; `None`: for ever.
    pub idle_timeout: Option<TimeDelta>,
    /// The models that agents can name. Without any, they can name what they like.
    pub models: Arc<[Model]>,
    pub pace: Pace,
}

/// How often the stream of an organization's events moves.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long something that happened may wait to be told.
    pub poll: Duration,
    pub heartbeat: Duration,
}

impl Default for Pace {
    /// Heartbeats come as the vendor's do (docs/dialects/agntix.md).
    fn default() -> Self {
        Self { poll: Duration::from_millis(500), heartbeat: Duration::from_secs(30) }
    }
}

/// A model that agents can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    #[schema(example = "gpt-4o-mini")]
    pub id: String,
    #[schema(example = "GPT-4o mini")]
    pub name: String,
    #[schema(example = "openai")]
    pub provider: String,
    /// Tokens.
    #[schema(example = 128000)]
    pub context_window: u32,
    #[serde(default = "active")]
    pub is_active: bool,
}

fn active() -> bool {
    true
}
