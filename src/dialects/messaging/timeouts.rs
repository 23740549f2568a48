//! The time-out settings of a session, read as ElizaOS reads them: by JavaScript's number rules, clamped and never
//! refused when a session is created (apis/messaging, section 3).

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::domain::expiry::Timeouts;
use crate::domain::{Given, JsonText};

/// What the deployment allows, in minutes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub default_timeout: f64,
    pub min_timeout: f64,
    pub max_timeout: f64,
    pub default_max_duration: f64,
    pub default_warning: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            default_timeout: 30.0,
            min_timeout: 5.0,
            max_timeout: 1_440.0,
            default_max_duration: 720.0,
            default_warning: 5.0,
        }
    }
}

/// `timeoutConfig` as it comes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GivenTimeouts {
    /// 5 to 1440; what is outside is moved to the nearer end.
    #[serde(default)]
    #[schema(value_type = Option<f64>, default = 30)]
    timeout_minutes: Given,
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    auto_renew: Given,
    /// At least the time-out, at most 2880.
    #[serde(default)]
    #[schema(value_type = Option<f64>, default = 720)]
    max_duration_minutes: Given,
    /// At least 1.
    #[serde(default)]
    #[schema(value_type = Option<f64>, default = 5)]
    warning_threshold_minutes: Given,
}

/// `timeoutConfig` as it is kept and answered: always these four.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeoutConfig {
    #[serde(serialize_with = "number")]
    timeout_minutes: f64,
    /// Whatever was sent; whether JavaScript takes it for true decides.
    #[schema(value_type = bool)]
    auto_renew: JsonText,
    #[serde(serialize_with = "number")]
    max_duration_minutes: f64,
    #[serde(serialize_with = "number")]
    warning_threshold_minutes: f64,
}

impl TimeoutConfig {
    /// The settings that a create asks for, clamped.
    pub(super) fn clamped(given: &GivenTimeouts, bounds: &Bounds) -> Self {
        let or = |given: &Given, default: f64| Some(js_number(given)?).map(|n| if n.is_finite() { n } else { default });
        let timeout = or(&given.timeout_minutes, bounds.default_timeout)
            .map_or(bounds.default_timeout, |minutes| minutes.clamp(bounds.min_timeout, bounds.max_timeout));
        // Held against the time-out only when it was sent: a long time-out alone leaves the default duration short.
        let max_duration = or(&given.max_duration_minutes, bounds.default_max_duration)
            .map_or(bounds.default_max_duration, |minutes| minutes.min(2.0 * bounds.max_timeout).max(timeout));
        let warning = or(&given.warning_threshold_minutes, bounds.default_warning)
            .map_or(bounds.default_warning, |minutes| minutes.max(1.0));
        let auto_renew = given.auto_renew.to_json().map(|json| json.into_owned());
        Self {
            timeout_minutes: timeout,
            auto_renew: auto_renew.unwrap_or_else(|| JsonText::of(&true).unwrap_or_else(|_| JsonText::empty_object())),
            max_duration_minutes: max_duration,
            warning_threshold_minutes: warning,
        }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        Timeouts {
            timeout_minutes: self.timeout_minutes,
            auto_renew: self.auto_renew.read().is_ok_and(|given| is_truthy(&given)),
            max_duration_minutes: self.max_duration_minutes,
            warning_threshold_minutes: self.warning_threshold_minutes,
        }
    }
}

/// A number as JavaScript writes it: whole ones without a point.
fn number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

/// JavaScript's `Boolean(value)`.
pub(super) fn is_truthy(given: &Given) -> bool {
    match given {
        Given::Absent | Given::Null => false,
        Given::Bool(value) => *value,
        Given::Number(_) => js_number(given).is_some_and(|number| number != 0.0),
        Given::String(text) => !text.is_empty(),
        Given::Array(_) | Given::Object(_) => true,
    }
}

/// JavaScript's `Number(value)`; `None` where there was none.
fn js_number(given: &Given) -> Option<f64> {
    Some(match given {
        Given::Absent => return None,
        Given::Null => 0.0,
        Given::Bool(value) => f64::from(u8::from(*value)),
        Given::Number(number) => number.as_str().parse().unwrap_or(f64::NAN),
        Given::String(text) => js_number_of(text),
        Given::Array(_) => js_number_of(&js_text(given)),
        Given::Object(_) => f64::NAN,
    })
}

/// JavaScript's `String(value)`, as an array's elements are joined.
fn js_text(given: &Given) -> String {
    match given {
        Given::Absent | Given::Null => String::new(),
        Given::Bool(value) => value.to_string(),
        Given::Number(number) => number.as_str().to_owned(),
        Given::String(text) => text.clone(),
        Given::Array(elements) => {
            let elements: Vec<Given> = elements.read().unwrap_or_default();
            elements.iter().map(js_text).collect::<Vec<_>>().join(",")
        }
        Given::Object(_) => "[object Object]".to_owned(),
    }
}

/// JavaScript's `Number(text)` (ECMA-262, StringToNumber).
fn js_number_of(text: &str) -> f64 {
    // JavaScript's white space is Unicode's, without NEL and with the byte-order mark.
    let text = text.trim_matches(|c: char| c.is_whitespace() && c != '\u{85}' || c == '\u{feff}');
    let radix = |digits: &str, radix: u32| {
        let plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        if !plain {
            return f64::NAN;
        }
        digits
            .chars()
            .filter_map(|digit| digit.to_digit(radix))
            .fold(0.0, |n, digit| n * f64::from(radix) + f64::from(digit))
    };
    match text.get(..2) {
        Some("0x" | "0X") => return radix(&text[2..], 16),
        Some("0o" | "0O") => return radix(&text[2..], 8),
        Some("0b" | "0B") => return radix(&text[2..], 2),
        _ => {}
    }
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // Rust reads more words as numbers than JavaScript does, and the same digits.
        _ if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().unwrap_or(f64::NAN)
        }
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clamped(json: &str) -> String {
        let given: GivenTimeouts = serde_json::from_str(json).unwrap();
        serde_json::to_string(&TimeoutConfig::clamped(&given, &Bounds::default())).unwrap()
    }

    fn config(timeout: &str, auto_renew: &str, max: &str, warning: &str) -> String {
        format!(
            r#"{{"timeoutMinutes":{timeout},"autoRenew":{auto_renew},"maxDurationMinutes":{max},"warningThresholdMinutes":{warning}}}"#
        )
    }

    /// Every row was seen on a running server of the vendor's (apis/messaging, section 3).
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
    fn the_longest_duration_is_held_against_the_timeout_only_when_sent() {
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
    fn auto_renew_comes_back_as_it_was_sent_and_its_truth_decides() {
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
            let settings = TimeoutConfig::clamped(&given, &Bounds::default());
            assert_eq!(settings.auto_renew.as_str(), sent);
            assert_eq!(settings.timeouts().auto_renew, truth, "{sent}");
        }
    }

    #[test]
    fn a_number_is_read_back_to_its_last_digit() {
        let kept = JsonText::stored(config("5", "true", "720", "260456.85929912538")).unwrap();
        assert_eq!(kept.read::<TimeoutConfig>().unwrap().warning_threshold_minutes, 260_456.859_299_125_38);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_the_timeout_stays_within_its_bounds(text in ".{0,12}", number: f64) {
            for given in [Given::String(text.clone()), Given::Number(JsonText::of(&number).unwrap())] {
                let sent = GivenTimeouts { timeout_minutes: given, ..GivenTimeouts::default() };
                let timeouts = TimeoutConfig::clamped(&sent, &Bounds::default()).timeouts();
                prop_assert!((5.0..=1_440.0).contains(&timeouts.timeout_minutes));
            }
        }

        #[test]
        fn settings_are_read_back_as_they_were_kept(timeout in 0.0..2_000.0, warning in 1.0..1e6) {
            let sent = format!(r#"{{"timeoutMinutes":{timeout},"warningThresholdMinutes":{warning}}}"#);
            let given: GivenTimeouts = serde_json::from_str(&sent).unwrap();
            let settings = TimeoutConfig::clamped(&given, &Bounds::default());
            let kept = JsonText::of(&settings).unwrap();
            prop_assert_eq!(kept.read::<TimeoutConfig>().unwrap(), settings);
        }
    }
}
