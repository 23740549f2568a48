//! How the client receives the reply to a message (docs/dialects/messaging.md).

use crate::domain::JsonField;

/// The three transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialects::messaging) enum Transport {
    /// The response is immediate, and the reply appears in the session's messages. There is no socket.
    Websocket,
    /// The response waits for the reply.
    Http,
    /// The reply is streamed.
    Sse,
}

impl Transport {
    /// Returns the transport of `transport`, or of its older name `mode`.
    ///
    /// # Errors
    /// The vendor's error message if the value is not valid.
    pub(in crate::dialects::messaging) fn of(transport: &JsonField, mode: &JsonField) -> Result<Self, String> {
        let given = if transport.is_missing() { mode } else { transport };
        let kind = match given {
            JsonField::Absent | JsonField::Null => return Ok(Self::Websocket),
            JsonField::String(name) => {
                return match name.as_str() {
                    "websocket" => Ok(Self::Websocket),
                    "http" | "sync" => Ok(Self::Http),
                    "sse" | "stream" => Ok(Self::Sse),
                    _ => {
                        Err(format!("Invalid transport \"{name}\". Must be one of: http, sse, websocket, sync, stream"))
                    }
                };
            }
            JsonField::Bool(_) => "boolean",
            JsonField::Number(_) => "number",
            JsonField::Array(_) | JsonField::Object(_) => "object",
        };
        Err(format!("Invalid transport type \"{kind}\". Transport must be a string."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_lead_to_three_transports() {
        let of = |transport: &str, mode: &str| {
            let given =
                |json: &str| if json.is_empty() { JsonField::Absent } else { serde_json::from_str(json).unwrap() };
            Transport::of(&given(transport), &given(mode))
        };
        assert_eq!(of("", ""), Ok(Transport::Websocket));
        assert_eq!(of("null", "null"), Ok(Transport::Websocket));
        assert_eq!(of(r#""http""#, r#""sse""#), Ok(Transport::Http));
        assert_eq!(of("null", r#""stream""#), Ok(Transport::Sse));
        assert_eq!(of("", r#""sync""#), Ok(Transport::Http));
        assert_eq!(of("17", "").unwrap_err(), r#"Invalid transport type "number". Transport must be a string."#);
        for wrong in [r#""ftp""#, r#""""#, r#""HTTP""#, r#""toString""#] {
            let message = of(wrong, "").unwrap_err();
            assert!(message.ends_with("Must be one of: http, sse, websocket, sync, stream"), "{message}");
        }
    }
}
