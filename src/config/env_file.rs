//! Files of environment variables in the format of Docker and systemd.
//!
//! A line is `NAME=value`, optionally after `export `; or it is empty, or a comment after `#`. A value in single quotes
//! is taken literally. A value in double quotes may contain `\n`, `\t`, `\"`, `\\` and `\$`. Both may span several
//! lines. Nothing is substituted. If a name is given twice, the last value is used.

/// A line that cannot be read. The line itself is not shown, because it may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct EnvFileError {
    pub line: usize,
    pub problem: &'static str,
}

/// Parses the variables of a file, in their order.
///
/// # Errors
/// When a line has no valid name, an unknown escape, or an unclosed quote.
pub fn read_env_file(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = text;
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let at = |problem| EnvFileError { line, problem };
        let (here, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = here.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = after;
            continue;
        }
        let start = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let assignment =
            rest[start..].strip_prefix("export ").unwrap_or(&rest[start..]).trim_start_matches([' ', '\t']);
        let (name, value) = assignment
            .split_once('=')
            .filter(|(name, _)| !name.contains('\n'))
            .ok_or_else(|| at("there is no = in it"))?;
        let name = name.trim_end();
        if !is_name(name) {
            return Err(at("the name before = is not of letters, digits and _"));
        }
        let (value, after) = read_value(value.trim_start_matches([' ', '\t'])).map_err(at)?;
        if value.contains('\0') {
            return Err(at("a value has no NUL character"));
        }
        variables.push((name.to_owned(), value));
        rest = after;
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns the value at the beginning of the text, and what follows its line.
fn read_value(text: &str) -> Result<(String, &str), &'static str> {
    let quote = text.chars().next().filter(|first| ['\'', '"'].contains(first));
    let Some(quote) = quote else {
        let (line, after) = text.split_once('\n').unwrap_or((text, ""));
        // A # begins a comment only after a space, because passwords and URLs may contain one.
        let value = line.find(" #").map_or(line, |comment| &line[..comment]);
        return Ok((value.trim().to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        if character == quote {
            let (line, after) = text[index + 1..].split_once('\n').unwrap_or((&text[index + 1..], ""));
            let behind = line.trim();
            if !behind.is_empty() && !behind.starts_with('#') {
                return Err("something follows the closing quote");
            }
            return Ok((value, after));
        }
        if quote == '"' && character == '\\' {
            value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, escaped @ ('"' | '\\' | '$'))) => escaped,
                _ => return Err("\\ in double quotes is followed by n, t, \", \\ or $"),
            });
        } else {
            value.push(character);
        }
    }
    Err("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_plain_or_quoted() {
        let text = "# comment\n\nA=1\r\nexport B = two words # comment\nC='a # b'\nD=\"x\\ny\\\"\" # comment\n\
                    E=-----BEGIN\nF=\"-----BEGIN\nsecond\n\"\nG=\nH=a#b";
        let read = read_env_file(text).unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            read,
            [
                ("A", "1"),
                ("B", "two words"),
                ("C", "a # b"),
                ("D", "x\ny\""),
                ("E", "-----BEGIN"),
                ("F", "-----BEGIN\nsecond\n"),
                ("G", ""),
                ("H", "a#b"),
            ]
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_not_shown() {
        for (text, line, problem) in [
            ("A=1\nsecret", 2, "no ="),
            ("A=\"1\n\n", 1, "not closed"),
            ("A='x\ny'\n1B=2", 3, "the name"),
            ("A='x'y", 1, "follows"),
            ("A=\"\\q\"", 1, "is followed by"),
        ] {
            let error = read_env_file(text).unwrap_err();
            assert!(error.line == line && error.problem.contains(problem), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "(?s)[A-C=\"'\\\\# \n\t\\$nx]{0,40}|.{0,40}") {
            if let Ok(variables) = read_env_file(&text) {
                prop_assert!(variables.iter().all(|(name, _)| is_name(name)));
            }
        }

        #[test]
        fn a_quoted_value_is_read_as_it_was_written(value in "[^'\0]{0,30}") {
            let read = read_env_file(&format!("A='{value}'\nB=1")).unwrap();
            prop_assert_eq!(&read[0].1, &value);
            prop_assert_eq!(&read[1].1, "1");
        }
    }
}
