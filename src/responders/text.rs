//! Text as endpoints write it in JSON, where the two halves of a surrogate pair may be in different pieces.
//!
//! A server that cuts its tokens without regard to characters sends an emoji as `"\ud83d"` in one event and `"\ude00"`
//! in the next. Neither is valid text by itself, and serde_json rejects both as strings. Therefore a piece is read as
//! WTF-8, and the halves are paired when the pieces are joined.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// A piece of a reply: UTF-8 that may contain half a surrogate pair, encoded like any other code point (WTF-8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(Vec<u8>);

impl Text {
    /// Reads a string, or a list of parts as multimodal APIs write them: strings, and objects with a `text` whose
    /// `type`, if there is one, is `text` or `output_text`. Other parts, such as `thinking`, are skipped. `null` is the
    /// empty text.
    ///
    /// # Errors
    /// A JSON error if the value is neither a string nor a list nor `null`.
    pub fn of_content(content: &RawValue) -> Result<Self, serde_json::Error> {
        match content.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(content.get()),
            Some(b'n') => Ok(Self::default()),
            Some(b'[') => {
                let parts: Vec<&RawValue> = serde_json::from_str(content.get())?;
                let texts: Result<Vec<Self>, _> = parts.into_iter().map(Self::of_part).collect();
                Ok(Self(texts?.into_iter().flat_map(|text| text.0).collect()))
            }
            _ => Err(Error::custom("content is neither a string nor a list of parts")),
        }
    }

    fn of_part(part: &RawValue) -> Result<Self, serde_json::Error> {
        match part.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(part.get()),
            Some(b'{') => {
                let part: Part<'_> = serde_json::from_str(part.get())?;
                let is_text = part.kind.is_none_or(|kind| matches!(kind.get(), r#""text""# | r#""output_text""#));
                let text = part.text.filter(|text| is_text && text.get().starts_with('"'));
                text.map_or_else(|| Ok(Self::default()), |text| serde_json::from_str(text.get()))
            }
            _ => Ok(Self::default()),
        }
    }
}

#[derive(serde::Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(bytes.to_owned()))
            }
        }

        // When it reads a string as bytes, serde_json does not reject lone surrogates.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Joins the pieces of a reply.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// The first half of a surrogate pair with which the last piece ended.
    high: Option<u32>,
}

impl Joiner {
    /// Returns the text of the next piece. A first half at its end is stored for the next piece; a half without its
    /// other half becomes U+FFFD.
    pub fn push(&mut self, piece: &Text) -> String {
        let mut text = String::with_capacity(piece.0.len());
        let mut remaining = piece.0.as_slice();
        while let Some(at) = remaining.windows(3).position(is_surrogate) {
            self.push_well_formed(&mut text, &remaining[..at]);
            let unit = 0xd000 | u32::from(remaining[at + 1] & 0x3f) << 6 | u32::from(remaining[at + 2] & 0x3f);
            remaining = &remaining[at + 3..];
            match (self.high.take(), unit) {
                (Some(high), 0xdc00..) => {
                    let code_point = 0x1_0000 + ((high - 0xd800) << 10 | (unit - 0xdc00));
                    text.push(char::from_u32(code_point).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                (None, 0xdc00..) => text.push(char::REPLACEMENT_CHARACTER),
                (before, high) => {
                    text.extend(before.map(|_| char::REPLACEMENT_CHARACTER));
                    self.high = Some(high);
                }
            }
        }
        self.push_well_formed(&mut text, remaining);
        text
    }

    /// Returns the remaining text after the last piece: nothing, or U+FFFD for a half without its other half.
    pub fn finish(&mut self) -> String {
        self.high.take().map(|_| char::REPLACEMENT_CHARACTER).into_iter().collect()
    }

    fn push_well_formed(&mut self, text: &mut String, bytes: &[u8]) {
        if !bytes.is_empty() {
            text.push_str(&self.finish());
            text.push_str(&String::from_utf8_lossy(bytes));
        }
    }
}

/// Returns whether three bytes of WTF-8 are half a surrogate pair: in UTF-8, no byte from 0xa0 on follows 0xed.
fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xff, _])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(json: &str) -> Result<Text, serde_json::Error> {
        Text::of_content(serde_json::from_str(json).unwrap())
    }

    fn joined(pieces: &[&str]) -> String {
        let mut joiner = Joiner::default();
        let text: String = pieces.iter().map(|piece| joiner.push(&content(piece).unwrap())).collect();
        text + &joiner.finish()
    }

    #[test]
    fn halves_are_paired_and_lone_ones_are_replaced() {
        for (pieces, text) in [
            (&[r#""a\ud83d""#, r#""\ude00b""#][..], "a😀b"),
            (&[r#""\ud83d""#, r#""""#, "null", r#""\ude00""#], "😀"),
            (&[r#""a\ud83d""#, r#""b""#], "a\u{fffd}b"),
            (&[r#""\ude00\ud83d""#], "\u{fffd}\u{fffd}"),
            (&[r#""\ud83d\ud83d\ude00""#], "\u{fffd}😀"),
            (&[r#""\ud83d""#, r#""\ud83d""#, r#""\ude00""#], "\u{fffd}😀"),
            (&[r#""휴퟿""#, r#""\ue000""#], "휴퟿\u{e000}"),
        ] {
            assert_eq!(joined(pieces), text, "{pieces:?}");
        }
    }

    #[test]
    fn the_parts_of_a_list_that_are_text_are_read() {
        for (json, text) in [
            (
                r#"[{"type":"text","text":"Hel"},{"type":"output_text","text":"lo"}," there",{"text":"!"}]"#,
                "Hello there!",
            ),
            (r#"[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"x"}]"#, "x"),
            (r#"[{"type":"thinking","text":"hm"},{"type":"text","text":null},{"type":"text"},7,null,[]]"#, ""),
            (r#"[{"type":"text","text":"\ud83d"},{"type":"text","text":"\ude00"}]"#, "😀"),
            ("[]", ""),
        ] {
            assert_eq!(joined(&[json]), text, "{json}");
        }
        for other in ["7", "true", r#"{"text":"x"}"#] {
            assert!(content(other).is_err(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_a_text_is_cut_into_utf16_units(text in "(?s).{0,12}", cuts in prop::collection::vec(0usize..24, 0..5)) {
            let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(units.len())).chain([0, units.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<String> = cuts.windows(2).map(|cut| format!("\"{}\"", units[cut[0]..cut[1]].concat())).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(joined(&pieces), text);
        }

        #[test]
        fn any_units_become_what_javascript_makes_well_formed(units in prop::collection::vec(any::<u16>(), 0..12)) {
            let pieces: Vec<String> = units.iter().map(|unit| format!("\"\\u{unit:04x}\"")).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(joined(&pieces), String::from_utf16_lossy(&units));
        }
    }
}
