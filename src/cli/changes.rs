//! Describes what a command changed.

use std::convert::Infallible;
use std::str::FromStr;

/// The value of a flag that sets something, or the word `default`, which lets the default apply again (`None`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrDefault<T>(pub Option<T>);

impl<T: FromStr> FromStr for OrDefault<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "default" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

/// The value of a flag that sets a text, or the word `none`, which removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrNone(pub Option<String>);

impl FromStr for OrNone {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Some(text).filter(|text| *text != "none").map(str::to_owned)))
    }
}

/// A setting as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Its member name in JSON.
    pub member: &'static str,
    /// Its name in text.
    pub label: &'static str,
    pub value: String,
}

impl Setting {
    pub fn new(member: &'static str, label: &'static str, value: String) -> Self {
        Self { member, label, value }
    }

    /// Returns the name and the value of each, for text output.
    pub fn details(settings: Vec<Self>) -> Vec<(&'static str, String)> {
        settings.into_iter().map(|setting| (setting.label, setting.value)).collect()
    }
}

/// The settings that differ, each with its previous value.
pub(super) struct Changes(Vec<(String, Setting)>);

impl Changes {
    /// Compares the settings of something before and after a change, in the same order.
    pub fn between(before: Vec<Setting>, after: Vec<Setting>) -> Self {
        let pairs = before.into_iter().zip(after).filter(|(before, after)| before.value != after.value);
        Self(pairs.map(|(before, after)| (before.value, after)).collect())
    }

    /// Returns the members that changed.
    pub fn members(&self) -> Vec<&'static str> {
        self.0.iter().map(|(_, setting)| setting.member).collect()
    }

    /// Returns a sentence about what changed and when it takes effect, or that nothing changed.
    pub fn sentence(&self, when: &str) -> String {
        if self.0.is_empty() {
            return "Nothing was changed.".to_owned();
        }
        let changes =
            self.0.iter().map(|(before, Setting { label, value, .. })| format!("{label}: {before} -> {value}"));
        format!("Changed {}. {when}", changes.collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn only_what_differs_is_a_change() {
        let settings = |b: &str| vec![Setting::new("a", "A", "1".to_owned()), Setting::new("b", "B", b.to_owned())];
        let changes = Changes::between(settings("2"), settings("3"));
        assert_eq!(changes.members(), ["b"]);
        assert_eq!(changes.sentence("Now."), "Changed B: 2 -> 3. Now.");
        assert_eq!(Changes::between(settings("2"), settings("2")).sentence("Now."), "Nothing was changed.");
    }

    #[test]
    fn a_word_resets() {
        assert_eq!("default".parse(), Ok(OrDefault::<NonZeroU32>(None)));
        assert_eq!("5".parse(), Ok(OrDefault(NonZeroU32::new(5))));
        assert!("0".parse::<OrDefault<NonZeroU32>>().is_err());
        assert_eq!("none".parse(), Ok(OrNone(None)));
    }
}
