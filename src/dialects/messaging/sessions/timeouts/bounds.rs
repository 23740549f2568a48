//! The time-out settings of the deployment and of an agent, for sessions without their own
//! (docs/dialects/messaging.md).
//!
//! ElizaOS inverts an agent's `SESSION_AUTO_RENEW`: `true` switches renewal off. Here it has the meaning that the
//! vendor's documentation gives it.

use serde::Deserialize;

use crate::dialects::messaging::javascript::{js_text, parse_int};
use crate::dialects::messaging::sessions::timeouts::TimeoutConfig;
use crate::domain::{JsonField, JsonText};

/// The longest duration of any session in minutes, whatever its settings: 14 days.
pub(in crate::dialects::messaging) const LONGEST_DURATION_MINUTES: i64 = 20_160;

/// The deployment's settings, in minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub default_timeout: f64,
    pub min_timeout: f64,
    pub max_timeout: f64,
    pub default_max_duration: f64,
    pub default_warning: f64,
    /// The settings of agents without their own.
    pub every_agent: AgentDefaults,
}

/// The settings of an agent; those of the deployment apply where it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AgentDefaults {
    timeout: Option<f64>,
    max_duration: Option<f64>,
    warning: Option<f64>,
    auto_renew: Option<bool>,
}

/// Settings as they are given, in the environment or with an agent: texts, numbers or booleans.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct GivenDefaults {
    #[serde(default)]
    pub session_timeout_minutes: JsonField,
    #[serde(default)]
    pub session_max_duration_minutes: JsonField,
    #[serde(default)]
    pub session_warning_threshold_minutes: JsonField,
    #[serde(default)]
    pub session_auto_renew: JsonField,
}

/// The deployment's own settings as they are given.
#[derive(Clone, Copy, Debug, Default)]
pub struct GivenBounds<'a> {
    pub default_timeout: Option<&'a str>,
    pub min_timeout: Option<&'a str>,
    pub max_timeout: Option<&'a str>,
    pub max_duration: Option<&'a str>,
    pub warning: Option<&'a str>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self::new(&GivenBounds::default(), &GivenDefaults::default())
    }
}

impl Bounds {
    /// Returns the settings, each moved into the bounds of ElizaOS. A text that is not a number counts as absent.
    #[must_use]
    pub fn new(given: &GivenBounds<'_>, every_agent: &GivenDefaults) -> Self {
        let minutes = |text: Option<&str>, default: f64, min: f64, max: f64| {
            text.and_then(parse_int).map_or(default, |minutes| minutes.clamp(min, max))
        };
        let bounds = Self {
            // Not limited by the next two settings.
            default_timeout: minutes(given.default_timeout, 30.0, 1.0, 10_080.0),
            min_timeout: minutes(given.min_timeout, 5.0, 1.0, 60.0),
            max_timeout: minutes(given.max_timeout, 1_440.0, 60.0, 10_080.0),
            default_max_duration: minutes(given.max_duration, 720.0, 60.0, LONGEST_DURATION_MINUTES as f64),
            default_warning: minutes(given.warning, 5.0, 1.0, 60.0),
            every_agent: AgentDefaults::default(),
        };
        Self { every_agent: bounds.agent(every_agent), ..bounds }
    }

    /// Returns the upper bound of a session's longest duration, in minutes.
    #[must_use]
    pub fn longest_duration(&self) -> f64 {
        2.0 * self.max_timeout
    }

    fn agent(&self, given: &GivenDefaults) -> AgentDefaults {
        let minutes = |given: &JsonField, min: f64, max: f64| match given {
            JsonField::Absent | JsonField::Null => None,
            given => parse_int(&js_text(given)).map(|minutes| minutes.clamp(min, max)),
        };
        AgentDefaults {
            timeout: minutes(&given.session_timeout_minutes, self.min_timeout, self.max_timeout),
            max_duration: minutes(&given.session_max_duration_minutes, self.min_timeout, self.longest_duration()),
            warning: minutes(&given.session_warning_threshold_minutes, 1.0, self.max_timeout),
            auto_renew: match js_text(&given.session_auto_renew).as_str() {
                "" => None,
                text => Some(text == "true"),
            },
        }
    }

    /// Returns the settings of a session without its own, whose agent has these settings.
    pub(in crate::dialects::messaging) fn of_agent(&self, settings: &JsonText) -> TimeoutConfig {
        #[derive(Default, Deserialize)]
        struct Settings {
            #[serde(default)]
            messaging: GivenDefaults,
        }
        // Settings that cannot be read are ignored.
        let own = self.agent(&settings.read::<Settings>().unwrap_or_default().messaging);
        let all = &self.every_agent;
        TimeoutConfig::new(
            own.timeout.or(all.timeout).unwrap_or(self.default_timeout),
            own.auto_renew.or(all.auto_renew).unwrap_or(true),
            own.max_duration.or(all.max_duration).unwrap_or(self.default_max_duration),
            own.warning.or(all.warning).unwrap_or(self.default_warning),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(config: &TimeoutConfig) -> String {
        serde_json::to_string(config).unwrap()
    }

    #[test]
    fn a_deployments_settings_are_moved_into_what_is_allowed() {
        let given = GivenBounds {
            default_timeout: Some("2"),
            min_timeout: Some("61"),
            max_timeout: Some("12 hours"),
            max_duration: Some("1e9"),
            warning: Some("soon"),
        };
        let bounds = Bounds::new(&given, &GivenDefaults::default());
        assert_eq!((bounds.default_timeout, bounds.min_timeout, bounds.max_timeout), (2.0, 60.0, 60.0));
        assert_eq!((bounds.default_max_duration, bounds.default_warning), (60.0, 5.0));
    }

    #[test]
    fn an_agents_settings_win_over_those_of_all_agents_and_those_over_the_deployments() {
        let every_agent = GivenDefaults {
            session_timeout_minutes: JsonField::String("20".to_owned()),
            session_auto_renew: JsonField::String("false".to_owned()),
            ..GivenDefaults::default()
        };
        let bounds = Bounds::new(&GivenBounds::default(), &every_agent);
        let settings = |text: &str| JsonText::stored(text.to_owned()).unwrap();
        assert_eq!(
            texts(&bounds.of_agent(&settings("{}"))),
            r#"{"timeoutMinutes":20,"autoRenew":false,"maxDurationMinutes":720,"warningThresholdMinutes":5}"#
        );
        let own = r#"{"messaging":{"SESSION_TIMEOUT_MINUTES":"3","SESSION_MAX_DURATION_MINUTES":99999,
            "SESSION_WARNING_THRESHOLD_MINUTES":"7.9","SESSION_AUTO_RENEW":true}}"#;
        assert_eq!(
            texts(&bounds.of_agent(&settings(own))),
            r#"{"timeoutMinutes":5,"autoRenew":true,"maxDurationMinutes":2880,"warningThresholdMinutes":7}"#
        );
        for nothing in ["[]", r#"{"messaging":17}"#, r#"{"messaging":{"SESSION_TIMEOUT_MINUTES":"soon"}}"#] {
            assert_eq!(bounds.of_agent(&settings(nothing)), bounds.of_agent(&settings("{}")), "{nothing}");
        }
    }

    #[test]
    fn auto_renew_does_what_it_says() {
        let bounds = Bounds::default();
        for (given, renews) in
            [("\"true\"", true), ("\"false\"", false), ("false", false), ("\"\"", true), ("null", true)]
        {
            let settings = JsonText::stored(format!(r#"{{"messaging":{{"SESSION_AUTO_RENEW":{given}}}}}"#)).unwrap();
            assert_eq!(bounds.of_agent(&settings).timeouts().auto_renew, renews, "{given}");
        }
    }
}
