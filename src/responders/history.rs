use serde::Serialize;

use crate::domain::Responder;
use crate::domain::responder::DEFAULT_CONTEXT_TOKENS;

/// Something that was said in a session.
pub struct Turn {
    pub speaker: Speaker,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    Agent,
}

/// A turn as models and webhooks read it: `{"role": "user", "content": "…"}`.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub role: Role,
    pub content: &'a str,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    System,
    User,
    Assistant,
}

impl<'a> From<&'a Turn> for Message<'a> {
    fn from(turn: &'a Turn) -> Self {
        let role = match turn.speaker {
            Speaker::User => Role::User,
            Speaker::Agent => Role::Assistant,
        };
        Self { role, content: &turn.text }
    }
}

/// How much may be sent, in bytes. Models count tokens, each its own way; 4 bytes of UTF-8 are about one token of
/// English. Where a script needs more tokens a byte, name fewer tokens.
#[derive(Clone, Copy)]
pub(super) struct Budget(usize);

/// Bytes of a session's history that a responder can make use of, so that no more needs to be read.
#[must_use]
pub fn history_bytes(responder: &Responder) -> usize {
    match responder {
        Responder::None | Responder::Echo => 0,
        Responder::OpenAi(model) => Budget::of_tokens(model.context_tokens).0.min(MOST_HISTORY),
        Responder::Webhook(_) => Budget::of_tokens(DEFAULT_CONTEXT_TOKENS).0,
    }
}

/// Whatever a model's context holds.
const MOST_HISTORY: usize = 4 * 1024 * 1024;

/// What a message costs beside its text: its role and its delimiters, about 4 tokens.
const OVERHEAD: usize = 16;

impl Budget {
    pub fn of_tokens(tokens: std::num::NonZeroU32) -> Self {
        Self(usize::try_from(tokens.get()).unwrap_or(usize::MAX).saturating_mul(4))
    }

    /// What is left when `text` is sent in any case.
    pub fn without(self, text: &str) -> Self {
        Self(self.0.saturating_sub(text.len() + OVERHEAD))
    }

    /// The newest turns that fit, none left out between them.
    pub fn newest(self, history: &[Turn]) -> &[Turn] {
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

    fn history(lengths: &[usize]) -> Vec<Turn> {
        lengths.iter().map(|length| Turn { speaker: Speaker::User, text: "x".repeat(*length) }).collect()
    }

    #[test]
    fn a_turn_that_does_not_fit_ends_the_history() {
        let turns = history(&[1, 1_000, 1]);
        assert_eq!(Budget(40).newest(&turns).len(), 1);
        assert_eq!(Budget(16).newest(&turns).len(), 0);
        assert_eq!(Budget(17 + 1_016 + 17).newest(&turns).len(), 3);
        assert_eq!(Budget(17 + 1_016 + 16).newest(&turns).len(), 2);
    }

    proptest! {
        #[test]
        fn the_newest_fit_and_one_more_would_not(
            lengths in prop::collection::vec(0usize..200, 0..40),
            budget in 0usize..4_000,
        ) {
            let turns = history(&lengths);
            let kept = Budget(budget).newest(&turns).len();
            let cost = |count: usize| lengths.iter().rev().take(count).map(|length| length + OVERHEAD).sum::<usize>();
            prop_assert!(cost(kept) <= budget);
            prop_assert!(kept == lengths.len() || cost(kept + 1) > budget);
        }
    }
}
