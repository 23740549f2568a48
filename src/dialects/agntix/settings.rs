//! The settings of the dialect.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The settings of a deployment. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How long a session may be idle before it expires; `None` means for ever.
    pub idle_timeout: Option<TimeDelta>,
    /// The models that agents can use. If the list is empty, an agent can name any model.
    pub models: Arc<[Model]>,
    pub pace: Pace,
}

/// How often the stream of an organization's events reads the feed and sends heartbeats.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long an event may wait before it is sent.
    pub poll: Duration,
    pub heartbeat: Duration,
}

impl Default for Pace {
    /// Returns the vendor's interval of heartbeats (docs/dialects/agntix.md).
    fn default() -> Self {
        Self { poll: Duration::from_millis(500), heartbeat: Duration::from_secs(30) }
    }
}

/// A model that agents can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    #[schema(example = "gpt-4o-mini")]
    pub id: String,
    #[schema(example = "GPT-4o mini")]
    pub name: String,
    #[schema(example = "openai")]
    pub provider: String,
    /// In tokens.
    #[schema(example = 128000)]
    pub context_window: u32,
    #[serde(default = "active")]
    pub is_active: bool,
}

fn active() -> bool {
    true
}
