//! The time-out settings of a session, read as ElizaOS reads them: by JavaScript's number rules. In a create they are
//! clamped and never rejected (docs/dialects/messaging.md).

mod bounds;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

pub(in crate::dialects::messaging) use bounds::LONGEST_DURATION_MINUTES;
pub use bounds::{Bounds, GivenBounds, GivenDefaults};

use crate::dialects::messaging::javascript::{is_truthy, js_number};

use crate::domain::expiry::Timeouts;
use crate::domain::{JsonField, JsonText};

/// UTF-16 code units of an `autoRenew` that is returned as it was sent. A longer one is stored as a boolean, because
/// every response and every message of the session repeats it. ElizaOS has no limit.
const AUTO_RENEW_LIMIT: usize = 256;

/// `timeoutConfig` as it is sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialects::messaging) struct GivenTimeouts {
    /// 5 to 1440; a number out of bounds is moved to the nearest bound.
    #[serde(default)]
    #[schema(value_type = Option<f64>, default = 30)]
    timeout_minutes: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    auto_renew: JsonField,
    /// At least the time-out, at most 2880.
    #[serde(default)]
    #[schema(value_type = Option<f64>, default = 720)]
    max_duration_minutes: JsonField,
    /// At least 1.
    #[serde(default)]
    #[schema(value_type = Option<f64>, default = 5)]
    warning_threshold_minutes: JsonField,
}

/// `timeoutConfig` as it is stored and returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialects::messaging) struct TimeoutConfig {
    #[serde(serialize_with = "number")]
    timeout_minutes: f64,
    /// The value that was sent. The session renews itself if JavaScript counts it as true.
    #[schema(value_type = bool)]
    auto_renew: JsonText,
    #[serde(serialize_with = "number")]
    max_duration_minutes: f64,
    #[serde(serialize_with = "number")]
    warning_threshold_minutes: f64,
}

/// The vendor's error message for invalid settings.
pub(in crate::dialects::messaging) type Fault = String;

impl GivenTimeouts {
    /// Checks the settings of a PATCH. Unlike a create, it does not move values into their bounds.
    ///
    /// # Errors
    /// A [`Fault`] if a setting has the wrong type, or the time-out is out of its bounds.
    pub(in crate::dialects::messaging) fn validate(&self, bounds: &Bounds) -> Result<(), Fault> {
        let number =
            |given: &JsonField| matches!(given, JsonField::Absent | JsonField::Number(_) | JsonField::String(_));
        let fits = number(&self.timeout_minutes)
            && number(&self.max_duration_minutes)
            && number(&self.warning_threshold_minutes)
            && matches!(self.auto_renew, JsonField::Absent | JsonField::Bool(_));
        if !fits {
            return Err("Invalid timeout configuration format".to_owned());
        }
        let (min, max) = (bounds.min_timeout, bounds.max_timeout);
        match js_number(&self.timeout_minutes).filter(|minutes| minutes.is_finite()) {
            Some(minutes) if !(min..=max).contains(&minutes) => {
                Err(format!("Timeout must be between {min} and {max} minutes"))
            }
            _ => Ok(()),
        }
    }
}

impl TimeoutConfig {
    fn new(timeout: f64, auto_renew: bool, max_duration: f64, warning: f64) -> Self {
        Self {
            timeout_minutes: timeout,
            auto_renew: JsonText::truth(auto_renew),
            max_duration_minutes: max_duration,
            warning_threshold_minutes: warning,
        }
    }

    /// Returns the settings of a request, clamped, and the agent's for absent members.
    pub(in crate::dialects::messaging) fn clamped(given: &GivenTimeouts, bounds: &Bounds, agent: Self) -> Self {
        // A value that is not a number becomes the deployment's default, whatever the agent's setting.
        let or =
            |given: &JsonField, default: f64| Some(js_number(given)?).map(|n| if n.is_finite() { n } else { default });
        let timeout = or(&given.timeout_minutes, bounds.default_timeout)
            .map_or(agent.timeout_minutes, |minutes| minutes.max(bounds.min_timeout).min(bounds.max_timeout));
        // Raised to the time-out only if it was sent. With a long time-out alone, the default duration stays shorter.
        let max_duration = or(&given.max_duration_minutes, bounds.default_max_duration)
            .map_or(agent.max_duration_minutes, |minutes| minutes.min(bounds.longest_duration()).max(timeout));
        let warning = or(&given.warning_threshold_minutes, bounds.default_warning)
            .map_or(agent.warning_threshold_minutes, |minutes| minutes.max(1.0));
        let auto_renew = given.auto_renew.to_json().map(|json| match json.utf16_len() {
            0..=AUTO_RENEW_LIMIT => json.into_owned(),
            _ => JsonText::truth(is_truthy(&given.auto_renew)),
        });
        Self {
            timeout_minutes: timeout,
            auto_renew: auto_renew.unwrap_or(agent.auto_renew),
            max_duration_minutes: max_duration,
            warning_threshold_minutes: warning,
        }
    }

    pub(in crate::dialects::messaging) fn timeouts(&self) -> Timeouts {
        Timeouts {
            timeout_minutes: self.timeout_minutes,
            auto_renew: self.auto_renew.read().is_ok_and(|given| is_truthy(&given)),
            max_duration_minutes: self.max_duration_minutes,
            warning_threshold_minutes: self.warning_threshold_minutes,
        }
    }
}

/// Writes a number as JavaScript does: a whole number without a point.
fn number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clamp(given: &GivenTimeouts) -> TimeoutConfig {
        let bounds = Bounds::default();
        TimeoutConfig::clamped(given, &bounds, bounds.of_agent(&JsonText::empty_object()))
    }

    fn clamped(json: &str) -> String {
        let given: GivenTimeouts = serde_json::from_str(json).unwrap();
        serde_json::to_string(&clamp(&given)).unwrap()
    }

    fn config(timeout: &str, auto_renew: &str, max: &str, warning: &str) -> String {
        format!(
            r#"{{"timeoutMinutes":{timeout},"autoRenew":{auto_renew},"maxDurationMinutes":{max},"warningThresholdMinutes":{warning}}}"#
        )
    }

    /// Every row was observed on a running server of the vendor (docs/dialects/messaging.md).
    #[test]
    fn numbers_are_javascripts() {
        for (sent, minutes) in [
            ("null", "5"),
            (r#""""#, "5"),
            (r#""  ""#, "5"),
            ("false", "5"),
            ("[]", "5"),
            ("true", "5"),
            (r#""60""#, "60"),
            (r#"" 12 ""#, "12"),
            (r#""0x10""#, "16"),
            (r#""010""#, "10"),
            ("[60]", "60"),
            (r#"["60"]"#, "60"),
            ("[[60]]", "60"),
            ("[null]", "5"),
            ("[1,2]", "30"),
            ("{}", "30"),
            (r#""abc""#, "30"),
            (r#""1,000""#, "30"),
            (r#""1_000""#, "30"),
            (r#""inf""#, "30"),
            (r#""nan""#, "30"),
            ("\"\u{feff}\u{a0}60\u{2028}\"", "60"),
            ("\"\u{85}60\"", "30"),
            ("1e999", "30"),
            (r#""Infinity""#, "30"),
            ("7.5", "7.5"),
            ("0", "5"),
            ("-5", "5"),
            ("4", "5"),
            ("1441", "1440"),
            ("722", "722"),
        ] {
            let sent = format!(r#"{{"timeoutMinutes":{sent}}}"#);
            assert_eq!(clamped(&sent), config(minutes, "true", "720", "5"), "{sent}");
        }
    }

    #[test]
    fn the_longest_duration_is_raised_to_the_timeout_only_if_it_was_sent() {
        assert_eq!(
            clamped(
                r#"{"timeoutMinutes":722,"autoRenew":true,"maxDurationMinutes":123,"warningThresholdMinutes":123}"#
            ),
            config("722", "true", "722", "123")
        );
        assert_eq!(clamped(r#"{"timeoutMinutes":1440}"#), config("1440", "true", "720", "5"));
        assert_eq!(clamped(r#"{"maxDurationMinutes":0}"#), config("30", "true", "30", "5"));
        assert_eq!(clamped(r#"{"maxDurationMinutes":-1}"#), config("30", "true", "30", "5"));
        assert_eq!(clamped(r#"{"maxDurationMinutes":99999}"#), config("30", "true", "2880", "5"));
    }

    #[test]
    fn the_warning_has_no_upper_bound() {
        assert_eq!(clamped(r#"{"warningThresholdMinutes":100000}"#), config("30", "true", "720", "100000"));
        assert_eq!(clamped(r#"{"warningThresholdMinutes":0.5}"#), config("30", "true", "720", "1"));
    }

    #[test]
    fn auto_renew_is_returned_as_it_was_sent_and_read_as_a_boolean() {
        for (sent, truth) in [
            ("true", true),
            ("false", false),
            ("null", false),
            ("0", false),
            ("-0.0", false),
            (r#""""#, false),
            (r#""false""#, true),
            (r#""yes""#, true),
            ("1", true),
            ("[]", true),
            ("{}", true),
        ] {
            let given: GivenTimeouts = serde_json::from_str(&format!(r#"{{"autoRenew":{sent}}}"#)).unwrap();
            let settings = clamp(&given);
            assert_eq!(settings.auto_renew.as_str(), sent);
            assert_eq!(settings.timeouts().auto_renew, truth, "{sent}");
        }
    }

    #[test]
    fn the_types_and_bounds_of_a_patch_are_checked() {
        let verdict = |json: &str| {
            let given: GivenTimeouts = serde_json::from_str(json).unwrap();
            given.validate(&Bounds::default()).err()
        };
        for accepted in [
            "{}",
            r#"{"timeoutMinutes":5}"#,
            r#"{"timeoutMinutes":"1440"}"#,
            r#"{"timeoutMinutes":"abc"}"#,
            r#"{"timeoutMinutes":"Infinity"}"#,
            r#"{"maxDurationMinutes":-1,"warningThresholdMinutes":"0","autoRenew":false,"other":null}"#,
        ] {
            assert_eq!(verdict(accepted), None, "{accepted}");
        }
        for outside in [
            r#"{"timeoutMinutes":4}"#,
            r#"{"timeoutMinutes":""}"#,
            r#"{"timeoutMinutes":"4"}"#,
            r#"{"timeoutMinutes":1440.5}"#,
        ] {
            let fault = verdict(outside);
            assert_eq!(fault.as_deref(), Some("Timeout must be between 5 and 1440 minutes"), "{outside}");
        }
        for wrong in ["null", "true", "[]", "{}"] {
            for member in ["timeoutMinutes", "maxDurationMinutes", "warningThresholdMinutes"] {
                let fault = verdict(&format!(r#"{{"{member}":{wrong}}}"#));
                assert_eq!(fault.as_deref(), Some("Invalid timeout configuration format"), "{member} {wrong}");
            }
        }
        for wrong in ["null", r#""true""#, "1"] {
            let fault = verdict(&format!(r#"{{"autoRenew":{wrong}}}"#));
            assert_eq!(fault.as_deref(), Some("Invalid timeout configuration format"), "{wrong}");
        }
    }

    #[test]
    fn a_long_auto_renew_is_stored_as_a_boolean() {
        let sent = |units: usize| format!(r#"{{"autoRenew":"{}"}}"#, "x".repeat(units - 2));
        assert!(clamped(&sent(256)).contains("xxx"));
        assert_eq!(clamped(&sent(257)), config("30", "true", "720", "5"));
    }

    #[test]
    fn a_number_is_read_back_to_its_last_digit() {
        let stored = JsonText::stored(config("5", "true", "720", "260456.85929912538")).unwrap();
        assert_eq!(stored.read::<TimeoutConfig>().unwrap().warning_threshold_minutes, 260_456.859_299_125_38);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_the_timeout_stays_within_its_bounds(text in ".{0,12}", number: f64) {
            for given in [JsonField::String(text.clone()), JsonField::Number(JsonText::of(&number).unwrap())] {
                let sent = GivenTimeouts { timeout_minutes: given, ..GivenTimeouts::default() };
                let timeouts = clamp(&sent).timeouts();
                prop_assert!((5.0..=1_440.0).contains(&timeouts.timeout_minutes));
            }
        }

        #[test]
        fn settings_are_read_back_as_they_were_stored(timeout in 0.0..2_000.0, warning in 1.0..1e6) {
            let sent = format!(r#"{{"timeoutMinutes":{timeout},"warningThresholdMinutes":{warning}}}"#);
            let given: GivenTimeouts = serde_json::from_str(&sent).unwrap();
            let settings = clamp(&given);
            let stored = JsonText::of(&settings).unwrap();
            prop_assert_eq!(stored.read::<TimeoutConfig>().unwrap(), settings);
        }
    }
}
