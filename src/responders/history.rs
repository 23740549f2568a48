use std::borrow::Cow;

use serde::Serialize;

use crate::domain::Responder;
use crate::domain::responder::DEFAULT_CONTEXT_TOKENS;

/// A message of the user or of the agent in a session.
#[cfg_attr(test, derive(Clone, Debug))]
pub struct Utterance {
    pub speaker: Speaker,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    Agent,
}

/// A turn as models and webhooks read it: `{"role": "user", "content": "…"}`.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Message<'a> {
    pub role: Role,
    pub content: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    System,
    User,
    Assistant,
}

impl From<Speaker> for Role {
    fn from(speaker: Speaker) -> Self {
        match speaker {
            Speaker::User => Self::User,
            Speaker::Agent => Self::Assistant,
        }
    }
}

/// Separates the texts of neighbouring turns of one role that are joined into one.
const BETWEEN: &str = "\n\n";

/// Replaces a message that has no visible character, because models reject an empty turn.
const NO_TEXT: &str = "(no text)";

/// A conversation as chat models accept it: it begins with a turn of the user, the roles alternate, and no turn is
/// empty. The stored messages can differ from this: a turn that failed leaves a message without a reply, a client may
/// send two messages in a row, and a history that is cut to its budget may begin with the assistant.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Conversation<'a>(Vec<Message<'a>>);

impl<'a> Conversation<'a> {
    /// Returns these utterances, oldest first. Consecutive utterances of one speaker are joined. Messages of the agent
    /// before the user's first message, and messages without a visible character, are left out.
    pub fn of(utterances: &'a [Utterance]) -> Self {
        let mut conversation = Self::default();
        for Utterance { speaker, text } in utterances {
            conversation.push((*speaker).into(), text);
        }
        conversation
    }

    /// Returns these utterances without the user's messages that no reply followed.
    pub fn of_replied(utterances: &'a [Utterance]) -> Self {
        let spoken: Vec<&Utterance> = utterances.iter().filter(|utterance| !utterance.text.trim().is_empty()).collect();
        let mut conversation = Self::default();
        for (index, utterance) in spoken.iter().enumerate() {
            let is_answered = spoken.get(index + 1).is_some_and(|next| next.speaker == Speaker::Agent);
            if utterance.speaker == Speaker::Agent || is_answered {
                conversation.push(utterance.speaker.into(), &utterance.text);
            }
        }
        conversation
    }

    /// Returns it with the message to reply to at its end.
    pub fn asking(mut self, message: &'a str) -> Self {
        self.push(Role::User, message);
        if self.0.last().is_none_or(|last| last.role != Role::User) {
            self.push(Role::User, NO_TEXT);
        }
        self
    }

    /// Returns it without the turn of the user at its end, if there is one, so that a message of the user can follow.
    pub fn ending_in_reply(mut self) -> Self {
        self.0.pop_if(|last| last.role == Role::User);
        self
    }

    pub fn into_messages(self) -> Vec<Message<'a>> {
        self.0
    }

    fn push(&mut self, role: Role, text: &'a str) {
        if text.trim().is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.role == role => {
                let content = last.content.to_mut();
                content.push_str(BETWEEN);
                content.push_str(text);
            }
            None if role != Role::User => {}
            _ => self.0.push(Message { role, content: Cow::Borrowed(text) }),
        }
    }
}

/// Returns the messages at the end of a history that no reply followed, oldest first.
pub(super) fn without_reply(history: &[Utterance]) -> Vec<&str> {
    let spoken = history.iter().filter(|utterance| !utterance.text.trim().is_empty());
    let since_reply = spoken.rev().take_while(|utterance| utterance.speaker == Speaker::User);
    let mut texts: Vec<&str> = since_reply.map(|utterance| utterance.text.as_str()).collect();
    texts.reverse();
    texts
}

/// How much may be sent, in bytes. Models count tokens, each in its own way; 4 bytes of UTF-8 are about one token of
/// English. For scripts that need more tokens per byte, operators configure fewer tokens.
#[derive(Clone, Copy)]
pub(super) struct Budget(usize);

/// Returns the bytes of a session's history that a responder can send, so that no more needs to be read.
#[must_use]
pub fn history_bytes(responder: &Responder) -> usize {
    match responder {
        Responder::None | Responder::Echo => 0,
        Responder::OpenAi(model) => Budget::of_tokens(model.context_tokens).0.min(MAX_HISTORY),
        Responder::Webhook(_) => Budget::of_tokens(DEFAULT_CONTEXT_TOKENS).0,
    }
}

/// The limit of the history in bytes, however large a model's context is.
const MAX_HISTORY: usize = 4 * 1024 * 1024;

/// What a message costs in addition to its text: its role and its delimiters, about 4 tokens.
const OVERHEAD: usize = 16;

impl Budget {
    pub fn of_tokens(tokens: std::num::NonZeroU32) -> Self {
        Self(usize::try_from(tokens.get()).unwrap_or(usize::MAX).saturating_mul(4))
    }

    /// Returns the budget that remains after `text`, which is always sent.
    pub fn without(self, text: &str) -> Self {
        Self(self.0.saturating_sub(text.len() + OVERHEAD))
    }

    /// Returns the newest consecutive turns that fit.
    pub fn newest(self, history: &[Utterance]) -> &[Utterance] {
        let mut left = self.0;
        let fitting = history.iter().rev().take_while(|turn| {
            let cost = turn.text.len() + OVERHEAD;
            let fits = cost <= left;
            left = left.saturating_sub(cost);
            fits
        });
        &history[history.len() - fitting.count()..]
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of_tokens(DEFAULT_CONTEXT_TOKENS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn history(lengths: &[usize]) -> Vec<Utterance> {
        lengths.iter().map(|length| Utterance { speaker: Speaker::User, text: "x".repeat(*length) }).collect()
    }

    fn utterances_of(utterances: &[(Speaker, &str)]) -> Vec<Utterance> {
        utterances.iter().map(|(speaker, text)| Utterance { speaker: *speaker, text: (*text).to_owned() }).collect()
    }

    fn shown(conversation: Conversation<'_>) -> Vec<(Role, String)> {
        conversation.into_messages().into_iter().map(|message| (message.role, message.content.into_owned())).collect()
    }

    #[test]
    fn turns_of_one_role_are_joined_and_the_user_begins() {
        use Speaker::{Agent, User};
        let history = utterances_of(&[
            (Agent, "Hi!"),
            (User, "one"),
            (User, " \n"),
            (User, "two"),
            (Agent, "2"),
            (Agent, "3"),
            (User, "four"),
        ]);
        let turn = |role, text: &str| (role, text.to_owned());
        let before = [turn(Role::User, "one\n\ntwo"), turn(Role::Assistant, "2\n\n3")];
        let asked = [&before[..], &[turn(Role::User, "four\n\nfive")]].concat();
        assert_eq!(shown(Conversation::of(&history).asking("five")), asked);
        assert_eq!(shown(Conversation::of(&history).ending_in_reply()), before);
        assert_eq!(without_reply(&history), ["four"]);
        let replied = [turn(Role::User, "two"), before[1].clone(), turn(Role::User, "five")];
        assert_eq!(shown(Conversation::of_replied(&history).asking("five")), replied);
        assert_eq!(without_reply(&history[..4]), ["one", "two"]);
        assert!(without_reply(&history[..5]).is_empty());
        assert_eq!(shown(Conversation::of(&[]).asking(" ")), [turn(Role::User, NO_TEXT)]);
        assert_eq!(shown(Conversation::of(&history[..2]).asking(" ")), [turn(Role::User, "one")]);
    }

    #[test]
    fn a_turn_that_does_not_fit_ends_the_history() {
        let turns = history(&[1, 1_000, 1]);
        assert_eq!(Budget(40).newest(&turns).len(), 1);
        assert_eq!(Budget(16).newest(&turns).len(), 0);
        assert_eq!(Budget(17 + 1_016 + 17).newest(&turns).len(), 3);
        assert_eq!(Budget(17 + 1_016 + 16).newest(&turns).len(), 2);
    }

    fn utterances() -> impl Strategy<Value = Vec<Utterance>> {
        let speaker = prop_oneof![Just(Speaker::User), Just(Speaker::Agent)];
        let utterance = (speaker, "[ \n]{0,2}[a-z]{0,12}").prop_map(|(speaker, text)| Utterance { speaker, text });
        prop::collection::vec(utterance, 0..24)
    }

    /// Returns whether chat models accept these messages.
    fn is_valid(messages: &[Message<'_>]) -> bool {
        let roles = [Role::User, Role::Assistant].into_iter().cycle();
        messages.iter().zip(roles).all(|(message, role)| message.role == role && !message.content.trim().is_empty())
    }

    proptest! {
        #[test]
        fn whatever_is_stored_a_valid_conversation_is_sent(
            history in utterances(), message in "[ \n]{0,2}[a-z]{0,12}", budget in 0usize..400,
        ) {
            let newest = Budget(budget).newest(&history);
            let asked = Conversation::of(newest).asking(&message).into_messages();
            prop_assert!(is_valid(&asked), "{asked:?}");
            let last = asked.last().expect("a message");
            prop_assert_eq!(last.role, Role::User);
            prop_assert!(last.content.ends_with(message.as_str()) || message.trim().is_empty());
            let sent: usize = asked.iter().map(|message| message.content.len()).sum();
            prop_assert!(sent <= budget + message.len() + BETWEEN.len().max(NO_TEXT.len()));

            let replied = Conversation::of_replied(newest).asking(&message).into_messages();
            prop_assert!(is_valid(&replied), "{replied:?}");
            prop_assert_eq!(replied.last().map(|last| last.role), Some(Role::User));

            let delivered = Conversation::of(newest).ending_in_reply().into_messages();
            prop_assert!(is_valid(&delivered), "{delivered:?}");
            prop_assert!(delivered.last().is_none_or(|last| last.role == Role::Assistant));

            // All text from the user's first turn in the window on is sent, and in the same order.
            let words = |speaker: Speaker| -> String {
                let first = newest.iter().position(|u| u.speaker == Speaker::User && !u.text.trim().is_empty());
                let window = first.map_or(&newest[..0], |first| &newest[first..]);
                window.iter().filter(|u| u.speaker == speaker).flat_map(|u| u.text.split_whitespace()).collect()
            };
            let sent = |role: Role, messages: &[Message<'_>]| -> String {
                messages.iter().filter(|m| m.role == role).flat_map(|m| m.content.split_whitespace()).collect()
            };
            prop_assert_eq!(sent(Role::Assistant, &asked), words(Speaker::Agent));
            let users = words(Speaker::User) + message.trim();
            prop_assert!(sent(Role::User, &asked).trim_end_matches("(notext)") == users);
            prop_assert_eq!(sent(Role::User, &delivered) + &without_reply(newest).concat().replace([' ', '\n'], ""), words(Speaker::User));
        }

        #[test]
        fn the_newest_fit_and_one_more_would_not(
            lengths in prop::collection::vec(0usize..200, 0..40),
            budget in 0usize..4_000,
        ) {
            let turns = history(&lengths);
            let fitting = Budget(budget).newest(&turns).len();
            let cost = |count: usize| lengths.iter().rev().take(count).map(|length| length + OVERHEAD).sum::<usize>();
            prop_assert!(cost(fitting) <= budget);
            prop_assert!(fitting == lengths.len() || cost(fitting + 1) > budget);
        }
    }
}
