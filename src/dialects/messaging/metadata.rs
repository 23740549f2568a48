//! Metadata of sessions and messages, merged like JavaScript's `{...a, ...b}`.

use indexmap::IndexMap;
use serde::Serialize;

use crate::dialects::messaging::MessagingError;
use crate::dialects::messaging::javascript::is_truthy;
use crate::dialects::messaging::sessions::session::MessagingDetail;
use crate::dialects::messaging::sessions::timeouts::TimeoutConfig;
use crate::domain::{AgentId, JsonField, JsonText, Session, SessionId};
use crate::http::Rejection;

/// UTF-16 code units of the compact form; the vendor's message calls them bytes.
const LIMIT: usize = 10_240;

type Members = IndexMap<String, JsonText>;

/// Returns the metadata that was sent; the empty object if JavaScript counts the value as false.
pub(super) fn given(metadata: &JsonField) -> JsonText {
    match metadata {
        given if !is_truthy(given) => JsonText::empty_object(),
        given => given.to_json().map_or_else(JsonText::empty_object, |json| json.into_owned()),
    }
}

/// Checks the length of metadata.
///
/// # Errors
/// [`MessagingError::InvalidMetadata`] if it exceeds the limit.
pub(super) fn check(metadata: &JsonText) -> Result<(), MessagingError> {
    if metadata.utf16_len() > LIMIT {
        let reason = format!("Metadata exceeds maximum size of {LIMIT} bytes");
        return Err(MessagingError::InvalidMetadata { reason, given: metadata.clone() });
    }
    Ok(())
}

/// Returns the metadata of a message: that of its channel, overridden by the session's and then by the message's own.
///
/// The channel has the settings with which the session began.
pub(super) fn of_message(
    session: &Session,
    detail: &MessagingDetail,
    own: Option<&JsonText>,
) -> Result<JsonText, Rejection> {
    let unwritten = |_| Rejection::Internal;
    let id = JsonText::of(&session.id).map_err(unwritten)?;
    let channel = Channel {
        session_id: session.id,
        agent_id: session.agent,
        user_id: session.user_id.as_deref(),
        timeout_config: detail.first_timeout_config.as_ref().unwrap_or(&detail.timeout_config),
    };
    let mut members: Members = JsonText::of(&channel).and_then(|json| json.read()).map_err(unwritten)?;
    if let Some(metadata) = &session.metadata {
        spread(metadata, &mut members);
    }
    members.insert("sessionId".to_owned(), id);
    if let Some(own) = own {
        spread(own, &mut members);
    }
    JsonText::of(&members).map_err(unwritten)
}

/// The metadata of a session's channel.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Channel<'a> {
    session_id: SessionId,
    agent_id: Option<AgentId>,
    user_id: Option<&'a str>,
    timeout_config: &'a TimeoutConfig,
}

/// Sets the members of a value in an object. Elements of an array and characters of a text are members under their
/// indices; other values have no members.
fn spread(json: &JsonText, over: &mut Members) {
    match json.read().unwrap_or_default() {
        JsonField::Object(object) => over.extend(object.read::<Members>().unwrap_or_default()),
        JsonField::Array(array) => {
            let elements: Vec<JsonText> = array.read().unwrap_or_default();
            over.extend(elements.into_iter().enumerate().map(|(index, element)| (index.to_string(), element)));
        }
        JsonField::String(text) => {
            let characters = text.chars().enumerate();
            over.extend(characters.filter_map(|(index, c)| Some((index.to_string(), JsonText::of(&c).ok()?))));
        }
        JsonField::Absent | JsonField::Null | JsonField::Bool(_) | JsonField::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(lower: &str, upper: &str) -> String {
        let mut members: Members = serde_json::from_str(lower).unwrap();
        spread(&JsonText::stored(upper.to_owned()).unwrap(), &mut members);
        serde_json::to_string(&members).unwrap()
    }

    #[test]
    fn the_upper_value_wins_and_stays_in_the_position_of_the_lower() {
        assert_eq!(
            over(r#"{"a":1,"b":2}"#, r#"{"c":12345678901234567890,"a":[1.10]}"#),
            r#"{"a":[1.10],"b":2,"c":12345678901234567890}"#
        );
    }

    #[test]
    fn other_values_are_spread_as_javascript_does() {
        assert_eq!(over("{}", r#"["x",null]"#), r#"{"0":"x","1":null}"#);
        assert_eq!(over("{}", r#""h\u00e9""#), r#"{"0":"h","1":"é"}"#);
        for nothing in ["null", "true", "17", "{}", "[]", r#""""#] {
            assert_eq!(over(r#"{"a":1}"#, nothing), r#"{"a":1}"#);
        }
    }
}
