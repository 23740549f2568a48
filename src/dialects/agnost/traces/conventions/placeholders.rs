//! Recognises texts that are written instead of an id.

/// Texts that programs write for a missing id, and that scrubbers write for a removed one.
const WORDS: [&str; 30] = [
    "undefined",
    "null",
    "none",
    "nil",
    "nan",
    "unknown",
    "anonymous",
    "anon",
    "empty",
    "missing",
    "unset",
    "not set",
    "not_set",
    "n/a",
    "na",
    "redacted",
    "filtered",
    "masked",
    "scrubbed",
    "removed",
    "hidden",
    "censored",
    "sanitized",
    "anonymized",
    "anonymised",
    "omitted",
    "deleted",
    "secret",
    "sensitive",
    "infinity",
];
/// The beginnings of texts that scrubbers write with a reason.
const BEGINNINGS: [&str; 8] =
    ["scrubbed", "redacted", "filtered", "masked", "removed", "object ", "sensitive data", "anonymized"];
/// The delimiters of a template's name that was not replaced.
const TEMPLATES: [(&str, &str); 8] =
    [("{", "}"), ("${", "}"), ("#{", "}"), ("%{", "}"), ("<", ">"), ("%", "%"), ("$(", ")"), ("__", "__")];

/// Returns whether a text is not an id, but was written for a missing or a removed one. As an id, it would join the
/// spans of different people to one conversation.
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    let encloses = |(before, after): &(&str, &str)| {
        text.len() > before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
    };
    if TEMPLATES.iter().any(encloses) || is_variable(text) {
        return true;
    }
    let core = text.trim_matches(|character: char| !character.is_alphanumeric());
    let lower = core.to_lowercase();
    let is_repeated =
        |character: char| core.len() > 2 && core.chars().all(|other| other.eq_ignore_ascii_case(&character));
    lower.is_empty()
        || WORDS.contains(&lower.as_str())
        || BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning) && is_marked(text, core))
        || is_repeated('x')
        || is_nil(core)
}

/// Returns whether a text is in brackets, or has a reason after a scrubber's word.
fn is_marked(text: &str, core: &str) -> bool {
    text.starts_with(['[', '(', '<', '*', '#']) || core.contains(' ')
}

/// Returns whether a text is a shell variable such as `$SESSION_ID`.
fn is_variable(text: &str) -> bool {
    text.strip_prefix('$').is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    })
}

/// Returns whether a text is a UUID or an id of zeros only.
fn is_nil(core: &str) -> bool {
    core.len() >= 8 && core.chars().all(|character| matches!(character, '0' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_ids_are_distinguished() {
        for text in [
            "",
            " ",
            "[Scrubbed due to 'session']",
            "[Scrubbed due to 'auth']",
            "undefined",
            "null",
            "None",
            "NULL",
            "[object Object]",
            "[object Promise]",
            "unknown",
            "Unknown",
            "NaN",
            "nil",
            "<nil>",
            "(null)",
            "anonymous",
            "<redacted>",
            "[REDACTED]",
            "REDACTED",
            "**REDACTED**",
            "[Filtered]",
            "***",
            "*****",
            "████",
            "xxxx",
            "XXXXXXXX",
            "-",
            "--",
            "...",
            "{{session_id}}",
            "{{ session.id }}",
            "${SESSION_ID}",
            "{session_id}",
            "$SESSION_ID",
            "%SESSION_ID%",
            "%{session}",
            "#{id}",
            "<session-id>",
            "<PERSON>",
            "__SESSION__",
            "n/a",
            "N/A",
            "\"\"",
            "'null'",
            "[removed by policy]",
            "00000000-0000-0000-0000-000000000000",
            "00000000000000000000000000000000",
            "none",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "a",
            "0",
            "1",
            "-1",
            "conv_1",
            "nullify",
            "unknown-soldier",
            "none-such",
            "ann",
            "anonymous-42",
            "[a]",
            "x",
            "xx",
            "x-1",
            "u:1",
            "oauth:1:2",
            "6f1c2f0e-3b1d-4c55-9d0b-2a7f5e8c1a90",
            "mask-shop",
            "redacted-news-42",
            "$5 off",
            "name@example.com",
            "secret santa",
            "removedata",
            "会话",
            "100%",
            "00000001",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
