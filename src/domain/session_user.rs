//! Which user a session belongs to.

use super::json::each_member;
use super::{DialectName, JsonText};

/// Limit of the bytes of an id by which users are listed and found. A session with a longer id belongs to no user.
pub const MAX_USER_ID_BYTES: usize = 2_048;

/// The ids of a session's user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionUser {
    /// The id under which the user is listed.
    pub id: Option<String>,
    /// Other ids in the session that may be the same person's.
    pub aliases: Vec<String>,
}

impl SessionUser {
    /// Returns the user of a session. `own` is the user that the session was created with, of a dialect that has one.
    #[must_use]
    pub fn of(dialect: DialectName, own: Option<&str>, metadata: Option<&JsonText>, detail: &JsonText) -> Self {
        let in_contact = || {
            let [contact] = member_texts(detail.as_str(), ["contact"], |value| Some(value.to_owned()));
            member_texts(contact.as_deref().unwrap_or_default(), ["externalId", "id"], id_of)
        };
        let in_metadata = || member_texts(metadata.map_or("", JsonText::as_str), ["userId", "user_id"], id_of);
        match dialect {
            DialectName::Agnost | DialectName::Messaging => {
                Self::of_ids(dialect, own.map(str::to_owned), [None, None], [None, None])
            }
            DialectName::Agntix => Self::of_ids(dialect, None, in_contact(), in_metadata()),
            DialectName::AgentKey | DialectName::IntegerId => Self::of_ids(dialect, None, [None, None], in_metadata()),
        }
    }

    /// Returns the user of a session that contains these ids: its own user's, `externalId` and `id` of its contact, and
    /// `userId` and `user_id` of its metadata.
    #[must_use]
    pub fn of_ids(
        dialect: DialectName,
        own: Option<String>,
        contact: [Option<String>; 2],
        metadata: [Option<String>; 2],
    ) -> Self {
        match dialect {
            DialectName::Agnost | DialectName::Messaging => Self::first_of([own]),
            DialectName::Agntix => Self::first_of(contact.into_iter().chain(metadata)),
            DialectName::AgentKey | DialectName::IntegerId => Self::first_of(metadata),
        }
    }

    /// Returns whether this is one of the ids.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id) || self.aliases.iter().any(|alias| alias == id)
    }

    /// Returns the user with these ids, of which the first one is the user's. Ids that are empty or too long are left
    /// out.
    fn first_of(ids: impl IntoIterator<Item = Option<String>>) -> Self {
        let mut user = Self::default();
        for id in ids.into_iter().flatten().filter(|id| (1..=MAX_USER_ID_BYTES).contains(&id.len())) {
            match &user.id {
                None => user.id = Some(id),
                Some(first) if *first == id || user.aliases.contains(&id) => {}
                Some(_) => user.aliases.push(id),
            }
        }
        user
    }
}

/// Reads members of an object. The last of several with one name counts, as in Postgres. What is not an object has none.
fn member_texts<const N: usize>(
    object: &str,
    names: [&str; N],
    read: impl Fn(&str) -> Option<String>,
) -> [Option<String>; N] {
    let mut texts = [const { None }; N];
    let whole = each_member(object, |name, value| {
        if let Some(index) = names.iter().position(|wanted| *wanted == name) {
            texts[index] = read(value);
        }
    });
    if whole.is_ok() { texts } else { [const { None }; N] }
}

/// Returns the id that a JSON value is: a text, or a number as it was written.
fn id_of(value: &str) -> Option<String> {
    match value.as_bytes().first()? {
        b'"' => serde_json::from_str(value).ok(),
        b'-' | b'0'..=b'9' => Some(value.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(dialect: DialectName, own: Option<&str>, metadata: &str, detail: &str) -> (Option<String>, Vec<String>) {
        let json = |text: &str| JsonText::stored(text.to_owned()).unwrap();
        let user = SessionUser::of(dialect, own, Some(&json(metadata)), &json(detail));
        (user.id, user.aliases)
    }

    fn is(id: &str, aliases: &[&str]) -> (Option<String>, Vec<String>) {
        (Some(id.to_owned()), aliases.iter().map(|&alias| alias.to_owned()).collect())
    }

    #[test]
    fn each_dialect_names_its_user_in_its_own_way() {
        let metadata = r#"{"user_id":"s","userId":"m"}"#;
        let detail = r#"{"contact":{"id":"c","externalId":"e"}}"#;
        for (dialect, expected) in [
            (DialectName::Agnost, is("own", &[])),
            (DialectName::Agntix, is("e", &["c", "m", "s"])),
            (DialectName::AgentKey, is("m", &["s"])),
            (DialectName::Messaging, is("own", &[])),
            (DialectName::IntegerId, is("m", &["s"])),
        ] {
            assert_eq!(user(dialect, Some("own"), metadata, detail), expected, "{dialect}");
            assert_eq!(user(dialect, None, "{}", "{}"), (None, Vec::new()), "{dialect}");
        }
        assert_eq!(user(DialectName::Agntix, None, r#"{"user_id":"s"}"#, r#"{"contact":null}"#), is("s", &[]));
    }

    #[test]
    fn a_session_without_metadata_has_no_user() {
        let detail = JsonText::empty_object();
        assert_eq!(SessionUser::of(DialectName::AgentKey, None, None, &detail), SessionUser::default());
    }

    #[test]
    fn ids_are_texts_and_numbers_that_are_not_too_long() {
        let long = "x".repeat(MAX_USER_ID_BYTES);
        for (metadata, expected) in [
            (r#"{"userId":42}"#.to_owned(), is("42", &[])),
            (r#"{"userId":12345678901234567890}"#.to_owned(), is("12345678901234567890", &[])),
            (r#"{"user\u0049d":"\u00e9\n"}"#.to_owned(), is("é\n", &[])),
            (r#"{"userId":"a","userId":"b","user_id":"b"}"#.to_owned(), is("b", &[])),
            (r#"{"userId":"","user_id":"b"}"#.to_owned(), is("b", &[])),
            (format!(r#"{{"userId":"{long}"}}"#), is(&long, &[])),
            (format!(r#"{{"userId":"{long}x","user_id":"b"}}"#), is("b", &[])),
            (r#"{"userId":{"a":1}}"#.to_owned(), (None, Vec::new())),
            (r#"{"userId":null,"user_id":true}"#.to_owned(), (None, Vec::new())),
            (r#"["userId"]"#.to_owned(), (None, Vec::new())),
        ] {
            assert_eq!(user(DialectName::AgentKey, None, &metadata, "{}"), expected, "{metadata}");
        }
    }
}
