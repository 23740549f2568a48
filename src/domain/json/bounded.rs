//! Writes JSON up to a limit of bytes.

use std::io;

use serde::Serialize;

use super::JsonText;

/// Writes a value as JSON. Returns `None` if that takes more than `limit` bytes; nothing is written beyond them.
///
/// # Errors
/// When `value` cannot be written as JSON.
pub fn within(value: &impl Serialize, limit: usize) -> Result<Option<JsonText>, serde_json::Error> {
    let mut writer = Bounded { written: Vec::new(), limit, exceeded: false };
    match serde_json::to_writer(&mut writer, value) {
        Ok(()) => {
            let text = String::from_utf8(writer.written).map_err(serde::ser::Error::custom)?;
            JsonText::stored(text).map(Some)
        }
        Err(_) if writer.exceeded => Ok(None),
        Err(error) => Err(error),
    }
}

struct Bounded {
    written: Vec<u8>,
    limit: usize,
    exceeded: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.written.len() {
            self.exceeded = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_past_the_limit() {
        let value = serde_json::json!({"a": ["x", "\u{1}"], "b": 1});
        let text = value.to_string();
        for limit in 0..text.len() + 2 {
            let written = within(&value, limit).unwrap();
            assert_eq!(written.is_some(), limit >= text.len());
            assert!(written.is_none_or(|json| json.as_str() == text));
        }
        let bad = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(within(&bad, 100).is_err());
    }
}
