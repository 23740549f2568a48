//! Agntix's sessions.

use std::num::NonZeroU32;

use chrono::TimeDelta;
use clap::Args;

use super::given;
use super::setting::{Findings, Setting};
use crate::dialects::agntix::{Model, Settings};

/// A deployment's settings for Agntix's sessions.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agntix sessions")]
pub struct AgntixSettings {
    /// Minutes without a message until a session expires; never unless set
    #[arg(long, global = true, env = "SESSIONARY_AGNTIX_IDLE_MINUTES", value_name = "MINUTES")]
    agntix_idle_minutes: Option<String>,

    /// The models that agents can name, as a JSON array of id, name, provider and contextWindow
    #[arg(long, global = true, env = "SESSIONARY_AGNTIX_MODELS", value_name = "JSON")]
    agntix_models: Option<String>,
}

static IDLE_MINUTES: Setting =
    Setting::public("SESSIONARY_AGNTIX_IDLE_MINUTES", "a number of minutes from 1; unset, sessions never expire", "60");
static MODELS: Setting = Setting::public(
    "SESSIONARY_AGNTIX_MODELS",
    "a JSON array of objects with id, name, provider and contextWindow",
    r#"[{"id":"m","name":"M","provider":"openai","contextWindow":8000}]"#,
);

impl AgntixSettings {
    /// Checks the settings. Returns `None` if something is wrong.
    pub(super) fn check(&self, found: &mut Findings) -> Option<Settings> {
        let minutes = given(self.agntix_idle_minutes.as_deref())
            .map(|text| text.parse::<NonZeroU32>().map_err(|_| IDLE_MINUTES.rejects(text, "is no such number")))
            .transpose();
        let models = given(self.agntix_models.as_deref())
            .map(|text| serde_json::from_str::<Vec<Model>>(text).map_err(|error| MODELS.rejects(text, error)))
            .transpose();
        let (minutes, models) = (found.take(minutes), found.take(models));
        Some(Settings {
            idle_timeout: minutes?.map(|minutes| TimeDelta::minutes(minutes.get().into())),
            models: models?.unwrap_or_default().into(),
            ..Settings::default()
        })
    }
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

    fn settings(flags: &[&str]) -> Option<Settings> {
        let mut found = Findings::default();
        let settings = Only::parse_from([&["sessionary"], flags].concat()).agntix.check(&mut found);
        assert_eq!(settings.is_some(), found.errors.is_empty());
        settings
    }

    #[test]
    fn models_are_read_and_idle_sessions_live_for_ever_unless_set() {
        let plain = settings(&[]).unwrap();
        assert!(plain.idle_timeout.is_none() && plain.models.is_empty());
        let models = r#"[{"id":"m","name":"M","provider":"openai","contextWindow":8000}]"#;
        let set = settings(&["--agntix-idle-minutes", "30", "--agntix-models", models]).unwrap();
        assert_eq!(set.idle_timeout, Some(TimeDelta::minutes(30)));
        assert_eq!((set.models[0].id.as_str(), set.models[0].is_active), ("m", true));
        for bad in [["--agntix-models", "m"], ["--agntix-idle-minutes", "0"], ["--agntix-idle-minutes", "soon"]] {
            assert!(settings(&bad).is_none(), "{bad:?}");
        }
    }
}
