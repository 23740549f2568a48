//! Agntix's sessions.

use std::num::NonZeroU32;

use chrono::TimeDelta;
use clap::Args;

use super::ConfigError;
use crate::dialects::agntix::{Model, Settings};

/// What a deployment decides about Agntix's sessions.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agntix sessions")]
pub struct AgntixSettings {
    /// Minutes without a message until a session expires; never unless set
    #[arg(long, global = true, env = "SESSIONARY_AGNTIX_IDLE_MINUTES", value_name = "MINUTES")]
    agntix_idle_minutes: Option<NonZeroU32>,

    /// The models that agents can name, as a JSON array of id, name, provider and contextWindow
    #[arg(long, global = true, env = "SESSIONARY_AGNTIX_MODELS", value_name = "JSON")]
    agntix_models: Option<String>,
}

impl AgntixSettings {
    /// # Errors
    /// When the models cannot be read.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let models = self.agntix_models.as_deref().filter(|text| !text.is_empty());
        let models: Option<Vec<Model>> = models.map(serde_json::from_str).transpose().map_err(unreadable)?;
        Ok(Settings {
            idle_timeout: self.agntix_idle_minutes.map(|minutes| TimeDelta::minutes(minutes.get().into())),
            models: models.unwrap_or_default().into(),
            ..Settings::default()
        })
    }
}

fn unreadable(error: serde_json::Error) -> ConfigError {
    ConfigError::AgntixModels(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        agntix: AgntixSettings,
    }

    fn settings(flags: &[&str]) -> Result<Settings, ConfigError> {
        Only::parse_from([&["sessionary"], flags].concat()).agntix.settings()
    }

    #[test]
    fn models_are_read_and_idle_sessions_live_for_ever_unless_set() {
        let plain = settings(&[]).unwrap();
        assert!(plain.idle_timeout.is_none() && plain.models.is_empty());
        let models = r#"[{"id":"m","name":"M","provider":"openai","contextWindow":8000}]"#;
        let set = settings(&["--agntix-idle-minutes", "30", "--agntix-models", models]).unwrap();
        assert_eq!(set.idle_timeout, Some(TimeDelta::minutes(30)));
        assert_eq!((set.models[0].id.as_str(), set.models[0].is_active), ("m", true));
        assert!(settings(&["--agntix-models", "m"]).is_err());
    }
}
