//! The time-outs of messaging sessions, with ElizaOS's names.

use clap::Args;

use super::given;
use super::setting::{Findings, Setting};
use crate::dialects::messaging::{Bounds, GivenBounds, GivenDefaults, parse_int};
use crate::domain::JsonField;

/// A deployment's settings for messaging sessions. They are texts, because the vendor's server parses them with
/// `parseInt`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Messaging sessions")]
pub struct MessagingSettings {
    /// Minutes without activity until a session expires; 30 unless set, 1 to 10080
    #[arg(long, global = true, env = "SESSION_DEFAULT_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_default_timeout_minutes: Option<String>,

    /// Minimum time-out of a session; 5 unless set, 1 to 60
    #[arg(long, global = true, env = "SESSION_MIN_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_min_timeout_minutes: Option<String>,

    /// Maximum time-out of a session; 1440 unless set, 60 to 10080
    #[arg(long, global = true, env = "SESSION_MAX_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_max_timeout_minutes: Option<String>,

    /// Minutes after which a session cannot be renewed: 720 unless set, at most twice the maximum time-out
    #[arg(long, global = true, env = "SESSION_MAX_DURATION_MINUTES", value_name = "MINUTES")]
    session_max_duration_minutes: Option<String>,

    /// Minutes before its end from which a session is near its expiration: 5 unless set, at most the maximum time-out
    #[arg(long, global = true, env = "SESSION_WARNING_THRESHOLD_MINUTES", value_name = "MINUTES")]
    session_warning_threshold_minutes: Option<String>,

    /// The time-out of agents that have none of their own
    #[arg(long, global = true, env = "SESSION_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_timeout_minutes: Option<String>,

    /// Whether sessions renew themselves if their agents do not set it: true unless set
    #[arg(long, global = true, env = "SESSION_AUTO_RENEW", value_name = "BOOLEAN")]
    session_auto_renew: Option<String>,
}

static DEFAULT_TIMEOUT: Setting =
    Setting::public("SESSION_DEFAULT_TIMEOUT_MINUTES", "a number of minutes from 1 to 10080", "30");
static MIN_TIMEOUT: Setting = Setting::public("SESSION_MIN_TIMEOUT_MINUTES", "a number of minutes from 1 to 60", "5");
static MAX_TIMEOUT: Setting =
    Setting::public("SESSION_MAX_TIMEOUT_MINUTES", "a number of minutes from 60 to 10080", "1440");
static MAX_DURATION: Setting =
    Setting::public("SESSION_MAX_DURATION_MINUTES", "a number of minutes from 60 to 20160", "720");
static WARNING: Setting = Setting::public("SESSION_WARNING_THRESHOLD_MINUTES", "a number of minutes from 1 to 60", "5");
static TIMEOUT: Setting = Setting::public(
    "SESSION_TIMEOUT_MINUTES",
    "a number of minutes from SESSION_MIN_TIMEOUT_MINUTES to SESSION_MAX_TIMEOUT_MINUTES",
    "20",
);
static AUTO_RENEW: Setting = Setting::public("SESSION_AUTO_RENEW", "true or false", "true");

impl MessagingSettings {
    /// Checks the settings and clamps them to what the vendor's server allows, with a warning, so that a deployment can
    /// reuse its existing settings.
    pub(super) fn check(&self, found: &mut Findings) -> Bounds {
        let bounds = self.bounds();
        let timeout = given(self.session_timeout_minutes.as_deref()).and_then(parse_int);
        let timeout = timeout.map(|minutes| minutes.clamp(bounds.min_timeout, bounds.max_timeout));
        for (setting, text, used) in [
            (&DEFAULT_TIMEOUT, &self.session_default_timeout_minutes, bounds.default_timeout),
            (&MIN_TIMEOUT, &self.session_min_timeout_minutes, bounds.min_timeout),
            (&MAX_TIMEOUT, &self.session_max_timeout_minutes, bounds.max_timeout),
            (&MAX_DURATION, &self.session_max_duration_minutes, bounds.default_max_duration),
            (&WARNING, &self.session_warning_threshold_minutes, bounds.default_warning),
            (&TIMEOUT, &self.session_timeout_minutes, timeout.unwrap_or_default()),
        ] {
            let Some(text) = given(text.as_deref()) else { continue };
            if parse_int(text).is_none() {
                found.errors.push(setting.rejects(text, "is no number"));
            } else if text != used.to_string() {
                let Setting { name, allowed, .. } = setting;
                found.warn(format!("{name}={text} is read as {used}; allowed is {allowed}"));
            }
        }
        if let Some(text) = given(self.session_auto_renew.as_deref())
            && !["true", "false"].contains(&text)
        {
            found.errors.push(AUTO_RENEW.rejects(text, "is neither"));
        }
        bounds
    }

    /// Returns the settings, clamped to what the vendor's server allows.
    fn bounds(&self) -> Bounds {
        let given = GivenBounds {
            default_timeout: self.session_default_timeout_minutes.as_deref(),
            min_timeout: self.session_min_timeout_minutes.as_deref(),
            max_timeout: self.session_max_timeout_minutes.as_deref(),
            max_duration: self.session_max_duration_minutes.as_deref(),
            warning: self.session_warning_threshold_minutes.as_deref(),
        };
        // In ElizaOS, the server's environment is part of each agent's settings, so these two names also apply to
        // agents.
        let text = |text: &Option<String>| text.clone().map_or(JsonField::Absent, JsonField::String);
        let every_agent = GivenDefaults {
            session_timeout_minutes: text(&self.session_timeout_minutes),
            session_max_duration_minutes: text(&self.session_max_duration_minutes),
            session_warning_threshold_minutes: text(&self.session_warning_threshold_minutes),
            session_auto_renew: text(&self.session_auto_renew),
        };
        Bounds::new(&given, &every_agent)
    }
}
