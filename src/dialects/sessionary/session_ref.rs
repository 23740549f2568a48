//! The id of a session over all dialects: the dialect's name, `_`, and the session's UUID in 32 hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::domain::{DialectName, Session, SessionId};

/// Names one session of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionRef {
    pub dialect: DialectName,
    pub id: SessionId,
}

impl From<&Session> for SessionRef {
    fn from(session: &Session) -> Self {
        Self { dialect: session.dialect, id: session.id }
    }
}

impl fmt::Display for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.dialect, self.id.0.simple())
    }
}

/// The error for a text that no session has as its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidSessionRef;

impl FromStr for SessionRef {
    type Err = InvalidSessionRef;

    /// Parses the one spelling that [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (dialect, digits) = text.rsplit_once('_').ok_or(InvalidSessionRef)?;
        let dialect = dialect.parse().map_err(|_| InvalidSessionRef)?;
        let is_plain = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let id = Uuid::try_parse(digits).ok().filter(|_| is_plain).ok_or(InvalidSessionRef)?;
        Ok(Self { dialect, id: SessionId(id) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_leads_back(bits: u128, dialect in prop::sample::select(DialectName::ALL.to_vec())) {
            let id = SessionRef { dialect, id: SessionId(Uuid::from_u128(bits)) };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn every_id_has_one_spelling(text in "(agnost|agent_key|x)?_?[0-9a-fA-F-]{0,36}|.{0,60}") {
            if let Ok(id) = text.parse::<SessionRef>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
