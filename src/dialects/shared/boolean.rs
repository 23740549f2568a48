//! Booleans in forms and queries, where everything is text.

/// Returns the boolean that a text means, or `None` for any other text.
///
/// The words of several languages are accepted in any case: `true` (JavaScript), `True` (Python), `on` (a ticked box of
/// an HTML form), `1` and `yes`.
pub fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "1", "yes", "on"]) {
        Some(true)
    } else if is_one_of(["false", "0", "no", "off"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_words_of_all_clients_are_read() {
        for text in ["true", "True", "TRUE", "1", "yes", "Yes", "on", "ON"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "False", "FALSE", "0", "no", "No", "off", "OFF"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", " ", "maybe", "truee", "10", "None", "null", "-1", "ｏｎ"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_word_after_a_blank_is_none(text in "(?i)true|off|.{0,6}") {
            let padded = format!(" {text}");
            prop_assert_eq!(boolean(&padded), None);
        }
    }
}
