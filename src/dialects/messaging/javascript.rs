//! JavaScript's conversions of values, because ElizaOS reads bodies and queries by its rules (ECMA-262).

use crate::domain::JsonField;

/// Returns JavaScript's `Boolean(value)`.
pub(super) fn is_truthy(given: &JsonField) -> bool {
    match given {
        JsonField::Absent | JsonField::Null => false,
        JsonField::Bool(value) => *value,
        JsonField::Number(_) => js_number(given).is_some_and(|number| number != 0.0),
        JsonField::String(text) => !text.is_empty(),
        JsonField::Array(_) | JsonField::Object(_) => true,
    }
}

/// Returns JavaScript's `Number(value)`, or `None` if the value is absent.
pub(super) fn js_number(given: &JsonField) -> Option<f64> {
    Some(match given {
        JsonField::Absent => return None,
        JsonField::Null => 0.0,
        JsonField::Bool(value) => f64::from(u8::from(*value)),
        JsonField::Number(number) => number.as_str().parse().unwrap_or(f64::NAN),
        JsonField::String(text) => js_number_of(text),
        JsonField::Array(_) => js_number_of(&js_text(given)),
        JsonField::Object(_) => f64::NAN,
    })
}

/// Returns a value as JavaScript's `String(array)` writes an element.
pub(super) fn js_text(given: &JsonField) -> String {
    match given {
        JsonField::Absent | JsonField::Null => String::new(),
        JsonField::Bool(value) => value.to_string(),
        JsonField::Number(number) => number.as_str().to_owned(),
        JsonField::String(text) => text.clone(),
        JsonField::Array(elements) => {
            let elements: Vec<JsonField> = elements.read().unwrap_or_default();
            elements.iter().map(js_text).collect::<Vec<_>>().join(",")
        }
        JsonField::Object(_) => "[object Object]".to_owned(),
    }
}

/// Returns JavaScript's `Number(text)` (ECMA-262, StringToNumber).
fn js_number_of(text: &str) -> f64 {
    let text = text.trim_matches(is_white_space);
    match text.get(..2) {
        Some("0x" | "0X") => return in_radix(&text[2..], 16),
        Some("0o" | "0O") => return in_radix(&text[2..], 8),
        Some("0b" | "0B") => return in_radix(&text[2..], 2),
        _ => {}
    }
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // Rust also accepts words such as `inf`, so only texts of these characters are parsed. Digits are read alike.
        _ if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().unwrap_or(f64::NAN)
        }
        _ => f64::NAN,
    }
}

/// Returns JavaScript's `parseInt(text)`, the integer at the beginning of a text, or `None` for NaN.
#[must_use]
pub fn parse_int(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(is_white_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let radix = |prefix: &str| digits.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let (digits, radix) = if radix("0x") { (&digits[2..], 16) } else { (digits, 10) };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let number = if radix == 10 { digits[..end].parse().unwrap_or(f64::NAN) } else { in_radix(&digits[..end], radix) };
    Some(if negative { -number } else { number })
}

/// Returns whether JavaScript counts a character as white space: Unicode's, without NEL and with the byte-order mark.
fn is_white_space(c: char) -> bool {
    c.is_whitespace() && c != '\u{85}' || c == '\u{feff}'
}

/// Returns the number of these digits, or NaN if the text is not digits only.
fn in_radix(digits: &str, radix: u32) -> f64 {
    let plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if !plain {
        return f64::NAN;
    }
    let digits = digits.chars().filter_map(|digit| digit.to_digit(radix));
    digits.fold(0.0, |number, digit| number * f64::from(radix) + f64::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_are_read_from_the_start_of_a_text() {
        for (text, number) in [
            ("17", Some(17.0)),
            ("2.9", Some(2.0)),
            ("3abc", Some(3.0)),
            (" \u{feff}-4 ", Some(-4.0)),
            ("+5", Some(5.0)),
            ("1e3", Some(1.0)),
            ("0x1F", Some(31.0)),
            ("2026-01-01T00:00:00Z", Some(2026.0)),
            ("", None),
            ("abc", None),
            ("-", None),
            ("0x", None),
            ("Infinity", None),
        ] {
            assert_eq!(parse_int(text), number, "{text}");
        }
        assert_eq!(parse_int(&"9".repeat(400)), Some(f64::INFINITY));
    }

    proptest! {
        #[test]
        fn the_digits_that_a_text_begins_with_are_its_integer(
            space in "[ \t\n\u{feff}\u{a0}]{0,2}", number: i32, after in "([^0-9xX].{0,8})?",
        ) {
            prop_assert_eq!(parse_int(&format!("{space}{number}{after}")), Some(f64::from(number)));
            let hexadecimal = format!("{space}0x{:x} {after}", number.unsigned_abs());
            prop_assert_eq!(parse_int(&hexadecimal), Some(f64::from(number.unsigned_abs())));
        }

        #[test]
        fn numbers_are_read_as_they_are_written(number: f64, radix in 0usize..3, whole: u32) {
            let same = |read: f64, written: f64| read == written || read.is_nan() && written.is_nan();
            if number.is_finite() {
                for text in [format!(" {number} "), format!("{number:e}")] {
                    prop_assert!(same(js_number_of(&text), number), "{}", text);
                }
            }
            let text = [format!("0x{whole:X}"), format!("0o{whole:o}"), format!("0B{whole:b}")][radix].clone();
            prop_assert_eq!(js_number_of(&text), f64::from(whole));
            let negative = js_number_of(&format!("-{text}"));
            prop_assert!(negative.is_nan());
        }

        #[test]
        fn no_text_breaks_the_readers(text in "[-+]?(0[xXoObB])?[0-9a-fA-FeE.]{0,12}.{0,3}|.{0,24}") {
            let read = parse_int(&text);
            prop_assert!(read.is_none_or(|number| !number.is_nan() && (number.is_infinite() || number.fract() == 0.0)));
            let number = js_number_of(&text);
            // Rust reads `inf`, `nan` and `infinity` in any case; JavaScript reads only `Infinity`.
            prop_assert!(number.is_nan() || !text.to_lowercase().contains("inf") || text.contains("Infinity"));
            prop_assert_eq!(js_number(&JsonField::String(text.clone())).map(f64::to_bits), Some(number.to_bits()));
            prop_assert_eq!(is_truthy(&JsonField::String(text.clone())), !text.is_empty());
        }
    }
}
