//! Counts an export in JSON without building it.

use super::super::scan::{Scan, Token, name};
use super::{Count, CountError};

/// Objects and lists in each other of which it is known which they are. What is nested deeper is not built.
const MAX_LEVELS: usize = 256;

/// An object or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Object,
    List,
    /// A list of spans or log records, which is known by its name.
    Items,
}

/// Counts an export in JSON. A value that is no JSON is counted as far as it can be read; reading it fails where it
/// cannot.
///
/// # Errors
/// [`CountError`] for the first limit that is exceeded, or where objects and lists do not end.
pub fn json(text: &str) -> Result<Count, CountError> {
    let (mut count, mut scan) = (Count::default(), Scan::of(text));
    let (mut levels, mut deeper): (Vec<Level>, usize) = (Vec::new(), 0);
    // Whether a member's name comes next, and the last one was that of the spans.
    let (mut is_name, mut is_items) = (false, false);
    while !scan.is_done() {
        let token = scan.next().ok_or(CountError::Malformed)?;
        let level = levels.last().copied().filter(|_| deeper == 0);
        match token {
            Token::Comma => is_name = level == Some(Level::Object),
            Token::Colon => {}
            Token::Text(quoted) if is_name => {
                is_items = matches!(&*name(quoted), "spans" | "logRecords" | "log_records");
                is_name = false;
            }
            Token::Text(_) | Token::Other | Token::Open { .. } => {
                match level {
                    Some(Level::List) => count.part()?,
                    Some(Level::Items) => count.span()?,
                    Some(Level::Object) | None => {}
                }
                if let Token::Open { is_list } = token {
                    if levels.len() == MAX_LEVELS {
                        deeper += 1;
                        continue;
                    }
                    levels.push(match (is_list, is_items && level == Some(Level::Object)) {
                        (false, _) => Level::Object,
                        (true, false) => Level::List,
                        (true, true) => Level::Items,
                    });
                    (is_name, is_items) = (!is_list, false);
                }
            }
            Token::Close if deeper > 0 => deeper -= 1,
            Token::Close => {
                levels.pop().ok_or(CountError::Malformed)?;
                is_name = false;
            }
        }
    }
    if levels.is_empty() { Ok(count) } else { Err(CountError::Malformed) }
}
