//! The time-outs of messaging sessions, under the names that ElizaOS has for them.

use clap::Args;

use super::given;
use super::setting::{Findings, Setting};
use crate::dialects::messaging::{Bounds, GivenBounds, GivenDefaults, parse_int};
use crate::domain::JsonField;

/// What a deployment decides about messaging sessions. Texts, since the vendor's server reads them as `parseInt` does.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Messaging sessions")]
pub struct MessagingSettings {
    /// Minutes without activity until a session expires; 30 unless set, 1 to 10080
    #[arg(long, global = true, env = "SESSION_DEFAULT_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_default_timeout_minutes: Option<String>,

    /// The least time-out that a session can ask for; 5 unless set, 1 to 60
    #[arg(long, global = true, env = "SESSION_MIN_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_min_timeout_minutes: Option<String>,

    /// The most; 1440 unless set, 60 to 10080
    #[arg(long, global = true, env = "SESSION_MAX_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_max_timeout_minutes: Option<String>,

    /// Minutes past which nothing renews a session: 720 unless set, and twice the most time-out at the most
    #[arg(long, global = true, env = "SESSION_MAX_DURATION_MINUTES", value_name = "MINUTES")]
    session_max_duration_minutes: Option<String>,

    /// Minutes before its end in which a session is near it: 5 unless set, and the most time-out at the most
    #[arg(long, global = true, env = "SESSION_WARNING_THRESHOLD_MINUTES", value_name = "MINUTES")]
    session_warning_threshold_minutes: Option<String>,

    /// The time-out of every agent that has none of its own
    #[arg(long, global = true, env = "SESSION_TIMEOUT_MINUTES", value_name = "MINUTES")]
    session_timeout_minutes: Option<String>,

    /// Whether sessions of agents that do not say renew themselves: true unless set
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
    /// Checks the settings and moves them into what the vendor's server allows, which is warned of: a deployment can
    /// bring its settings along.
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

    /// The settings, moved into what the vendor's server allows.
    fn bounds(&self) -> Bounds {
        let given = GivenBounds {
            default_timeout: self.session_default_timeout_minutes.as_deref(),
            min_timeout: self.session_min_timeout_minutes.as_deref(),
            max_timeout: self.session_max_timeout_minutes.as_deref(),
            max_duration: self.session_max_duration_minutes.as_deref(),
            warning: self.session_warning_threshold_minutes.as_deref(),
        };
        // The environment of ElizaOS's server is among the settings of each of its agents: these two names mean both.
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
