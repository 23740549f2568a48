//! A setting's name and allowed values, and the errors about it.

use std::fmt;

use super::given;

/// A setting, as errors describe it.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its environment variable.
    pub name: &'static str,
    /// Its allowed values.
    pub allowed: &'static str,
    pub example: &'static str,
    /// Whether its value is printed.
    pub visibility: Visibility,
}

/// Whether the value of a setting may be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    Public,
    Secret,
}

impl Setting {
    pub(super) const fn public(name: &'static str, allowed: &'static str, example: &'static str) -> Self {
        Self { name, allowed, example, visibility: Visibility::Public }
    }

    pub(super) const fn secret(name: &'static str, allowed: &'static str, example: &'static str) -> Self {
        Self { name, allowed, example, visibility: Visibility::Secret }
    }

    /// Returns an error with the problem of the value.
    pub(super) fn rejects(&'static self, value: &str, problem: impl fmt::Display) -> SettingError {
        let value = match self.visibility {
            Visibility::Public => Some(value.chars().take(MAX_SHOWN).collect()),
            Visibility::Secret => None,
        };
        SettingError { setting: self, value, problem: problem.to_string() }
    }
}

/// Limit of the characters of a value that are printed.
const MAX_SHOWN: usize = 200;

/// A setting that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingError {
    pub setting: &'static Setting,
    /// `None` if it is a secret.
    pub value: Option<String>,
    pub problem: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { name, allowed, example, .. } = self.setting;
        match &self.value {
            Some(value) => write!(f, "{name}={value}")?,
            None => write!(f, "{name} (its value is not shown)")?,
        }
        write!(f, ": {}\n    allowed: {allowed}\n    example: {name}={example}", self.problem)
    }
}

/// Every setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub struct SettingErrors(pub Vec<SettingError>);

impl fmt::Display for SettingErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "a setting cannot be used")?,
            count => write!(f, "{count} settings cannot be used")?,
        }
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// Collects problems of settings, so that all of them are reported at once.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub errors: Vec<SettingError>,
    pub warnings: Vec<String>,
}

impl Findings {
    /// Returns the value, or records the error.
    pub fn take<T>(&mut self, result: Result<T, SettingError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }
}

/// Reads one of several words; the first is the default.
pub(super) fn word<T: Copy>(setting: &'static Setting, text: &str, words: &[(&str, T)]) -> Result<T, SettingError> {
    let text = given(Some(text)).unwrap_or(words[0].0);
    let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    known.ok_or_else(|| setting.rejects(text, "is none of these"))
}

#[cfg(test)]
mod tests {
    use super::*;

    static OPEN: Setting = Setting::public("SESSIONARY_X", "on or off", "on");
    static HIDDEN: Setting = Setting::secret("SESSIONARY_Y", "32 bytes", "$(openssl rand -hex 32)");

    #[test]
    fn an_error_names_the_setting_its_value_what_is_allowed_and_an_example() {
        let errors = SettingErrors(vec![OPEN.rejects("maybe", "is neither"), HIDDEN.rejects("s3cret", "is short")]);
        assert_eq!(
            errors.to_string(),
            "2 settings cannot be used\n  SESSIONARY_X=maybe: is neither\n    allowed: on or off\n    example: \
             SESSIONARY_X=on\n  SESSIONARY_Y (its value is not shown): is short\n    allowed: 32 bytes\n    example: \
             SESSIONARY_Y=$(openssl rand -hex 32)"
        );
    }
}
