//! The four dialects in which a message has a reply, with one interface.

use http::Method;
use serde_json::{Value, json};

use super::{Ask, Reply, TestApp, agent_key, agntix, integer_id, messaging};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    Agntix,
    AgentKey,
    Messaging,
    IntegerId,
}

impl Talk {
    pub const ALL: [Self; 4] = [Self::Agntix, Self::AgentKey, Self::Messaging, Self::IntegerId];
    /// The dialects that stream replies.
    pub const STREAMING: [Self; 3] = [Self::Agntix, Self::AgentKey, Self::Messaging];

    /// Creates a session. Returns its id.
    pub async fn begin(self, app: &TestApp) -> String {
        match self {
            Self::Agntix => agntix::create(app, "").await,
            Self::AgentKey => {
                agent_key::session(app, &format!("s_{}", app.mint.hex(8)), &json!({})).await.member("key")
            }
            Self::Messaging => messaging::create(app, "").await,
            Self::IntegerId => integer_id::start_session(app, "").await.to_string(),
        }
    }

    /// Returns the path of a session, or of something below it.
    pub fn path(self, session: &str, below: &str) -> String {
        match self {
            Self::Agntix => agntix::path_of(session, below),
            Self::AgentKey => format!("{}/{session}{below}", agent_key::SESSIONS),
            Self::Messaging => messaging::path_of(session, below),
            Self::IntegerId => format!("{}/{session}{below}", integer_id::SESSIONS),
        }
    }

    fn messages(self, session: &str) -> String {
        self.path(session, if self == Self::AgentKey { "/events" } else { "/messages" })
    }

    /// Returns a message that waits for the reply. `text` is the inside of a JSON string.
    pub fn say_json<'a>(self, app: &'a TestApp, session: &str, text: &str) -> Ask<'a> {
        let body = match self {
            Self::Agntix => format!(r#"{{"content":"{text}","stream":false}}"#),
            Self::AgentKey => format!(r#"{{"messages":[{{"type":"text","content":"{text}"}}]}}"#),
            Self::Messaging => format!(r#"{{"content":"{text}","transport":"http"}}"#),
            Self::IntegerId => format!(r#"{{"content":"{text}"}}"#),
        };
        app.post(&self.messages(session), body)
    }

    /// Returns a message that waits for the reply.
    pub fn say<'a>(self, app: &'a TestApp, session: &str, text: &str) -> Ask<'a> {
        self.say_json(app, session, inside(text).as_str())
    }

    /// Returns a message whose reply streams.
    pub fn stream<'a>(self, app: &'a TestApp, session: &str, text: &str) -> Ask<'a> {
        let text = inside(text);
        let body = match self {
            Self::Agntix => format!(r#"{{"content":"{text}"}}"#),
            Self::AgentKey => {
                format!(r#"{{"messages":[{{"type":"text","content":"{text}"}}],"stream_response":true}}"#)
            }
            Self::Messaging => format!(r#"{{"content":"{text}","transport":"sse"}}"#),
            Self::IntegerId => unreachable!("it streams nothing"),
        };
        app.post(&self.messages(session), body)
    }

    /// Returns the status of a call that waited for a reply.
    pub fn replied(self) -> u16 {
        if self == Self::Agntix { 200 } else { 201 }
    }

    /// Returns the status of a call without a reply.
    pub fn failed(self) -> u16 {
        match self {
            Self::Agntix | Self::AgentKey => 502,
            Self::Messaging => 500,
            // Its response reports that the message is stored and that there is no reply.
            Self::IntegerId => 201,
        }
    }

    /// Returns the text of the reply that a call waited for. Fails if there is none.
    #[track_caller]
    pub fn reply_in(self, reply: Reply) -> String {
        let body = reply.expect(self.replied()).json();
        let text = match self {
            Self::Agntix => &body["content"],
            Self::AgentKey => &body["events"][1]["content"],
            Self::Messaging => &body["agentResponse"]["text"],
            Self::IntegerId => &body["reply"]["content"],
        };
        text.as_str().unwrap_or_else(|| panic!("no reply in {body}")).to_owned()
    }

    /// Returns a request that ends the session: closes or deletes it.
    pub fn end<'a>(self, app: &'a TestApp, session: &str) -> Ask<'a> {
        match self {
            Self::Agntix => app.ask(Method::PATCH, &self.path(session, "/close")),
            Self::AgentKey | Self::Messaging => app.ask(Method::DELETE, &self.path(session, "")),
            Self::IntegerId => app.ask(Method::PUT, &self.path(session, "/end")),
        }
    }

    /// Returns the messages of the session, oldest first: `user` or `agent`, and the text. Other events have their own
    /// word.
    pub async fn said(self, app: &TestApp, session: &str) -> Vec<(String, String)> {
        self.stored(app, session).await.iter().map(|event| self.speaker_and_text(event)).collect()
    }

    /// Returns the messages as the dialect lists them, oldest first.
    pub async fn stored(self, app: &TestApp, session: &str) -> Vec<Value> {
        let listed = app.get(&format!("{}?limit=100", self.messages(session))).send().await.expect(200).json();
        let list = match self {
            Self::Agntix => &listed["data"],
            Self::AgentKey => &listed["events"],
            Self::Messaging | Self::IntegerId => &listed["messages"],
        };
        let mut stored = list.as_array().expect("messages").clone();
        if self == Self::Messaging {
            stored.reverse();
        }
        stored
    }

    fn speaker_and_text(self, event: &Value) -> (String, String) {
        let text = match self {
            Self::AgentKey if event["type"] == "input_message" => &event["messages"][0]["content"],
            _ => &event["content"],
        };
        let speaker = match self {
            Self::Agntix => &event["role"],
            Self::AgentKey => &event["type"],
            Self::Messaging if event["isAgent"] == true => &json!("agent"),
            Self::Messaging => &json!("user"),
            Self::IntegerId => &event["role"],
        };
        let speaker = match speaker.as_str().expect("a speaker") {
            "USER" | "input_message" => "user",
            "ASSISTANT" | "agent_output" => "agent",
            other => other,
        };
        (speaker.to_owned(), text.as_str().unwrap_or_default().to_owned())
    }

    /// Returns whether a listed reply is marked as interrupted.
    pub fn is_interrupted(self, event: &Value) -> bool {
        let mark = match self {
            Self::Agntix | Self::AgentKey => &event["interrupted"],
            Self::Messaging | Self::IntegerId => &event["metadata"]["interrupted"],
        };
        *mark == json!(true)
    }
}

/// Returns the inside of a JSON string.
fn inside(text: &str) -> String {
    let json = json!(text).to_string();
    json[1..json.len() - 1].to_owned()
}

/// Returns a message of a user.
pub fn user(text: &str) -> (String, String) {
    ("user".to_owned(), text.to_owned())
}

/// Returns a message of an agent.
pub fn agent(text: &str) -> (String, String) {
    ("agent".to_owned(), text.to_owned())
}
