//! What the tests of Agntix's paths share.

use super::Reply;

/// The request at the head of the vendor's page, to the letter.
pub const EXAMPLE: &str = r#"
{
  "agentId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
  "platform": "SDK",
  "metadata": {
    "userId": "usr_123",
    "locale": "en-US"
  }
}
"#;

/// The request among the page's code examples, to the letter.
pub const CODE_EXAMPLE: &str = r#"{
    "agentId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "platform": "SDK",
    "metadata": {
      "userId": "usr_123",
      "locale": "en-US"
    }
  }"#;

/// Whether this is an error as Agntix words it.
pub fn is_envelope(reply: &Reply) -> bool {
    let body = reply.json();
    body["error"]["status"] == reply.status.as_u16()
        && body["error"]["code"].is_string()
        && body["error"]["message"].is_string()
        && body["error"]["requestId"] == body["meta"]["requestId"]
        && body["meta"]["timestamp"] == "2026-04-29T09:00:00Z"
}
