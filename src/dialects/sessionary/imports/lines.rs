//! Cuts bytes that arrive into lines.

use bytes::{Buf, BytesMut};

/// Limit of the bytes of a line. The longest line that an export writes has a session or an event whose body had 2 MiB,
/// once as it was sent and once as text.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// The next line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It has more than [`MAX_LINE`] bytes, which were discarded.
    TooLong,
}

/// The bytes of a line that has not arrived as a whole, and the lines after it.
#[derive(Default)]
pub(super) struct Lines {
    bytes: BytesMut,
    /// Up to where there is no end of a line.
    searched: usize,
    is_too_long: bool,
}

impl Lines {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next whole line without its end.
    pub fn next(&mut self) -> Option<Line> {
        let found = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(at) = found.map(|at| self.searched + at) else {
            self.searched = self.bytes.len();
            if self.bytes.len() > MAX_LINE {
                self.is_too_long = true;
                self.bytes.clear();
                self.searched = 0;
            }
            return None;
        };
        let line = self.bytes.split_to(at);
        self.bytes.advance(1);
        self.searched = 0;
        Some(self.whole(&line))
    }

    /// Returns the last line, if it has no end.
    pub fn last(mut self) -> Option<Line> {
        let line = self.bytes.split();
        (!line.is_empty() || self.is_too_long).then(|| self.whole(&line))
    }

    fn whole(&mut self, line: &[u8]) -> Line {
        let is_too_long = std::mem::take(&mut self.is_too_long) || line.len() > MAX_LINE;
        if is_too_long { Line::TooLong } else { Line::Whole(line.strip_suffix(b"\r").unwrap_or(line).to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &[u8], piece: usize) -> Vec<Line> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in text.chunks(piece) {
            lines.push(piece);
            while let Some(line) = lines.next() {
                found.push(line);
            }
        }
        found.extend(lines.last());
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_discarded_and_the_next_one_is_read() {
        let text = [&vec![b'x'; MAX_LINE + 1], &b"\nnext\n"[..], &vec![b'y'; MAX_LINE], b"\n"].concat();
        for piece in [1 << 16, text.len()] {
            let lines = cut(&text, piece);
            assert_eq!(lines[..2], [Line::TooLong, Line::Whole(b"next".to_vec())]);
            assert!(matches!(&lines[2], Line::Whole(line) if line.len() == MAX_LINE) && lines.len() == 3);
        }
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(text in "([a-z]{0,9}\r?\n){0,8}[a-z]{0,3}", piece in 1usize..20) {
            let expected: Vec<Line> = text.lines().map(|line| Line::Whole(line.as_bytes().to_vec())).collect();
            prop_assert_eq!(cut(text.as_bytes(), piece), expected);
        }
    }
}
