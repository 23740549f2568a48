use futures::stream::{self, StreamExt};

use super::{Question, ReplyChunks};

/// Returns a reply that quotes the user's message. It shows that messages arrive, without a model or a webhook.
pub(super) fn reply(question: &Question) -> ReplyChunks {
    let text = format!("You said: {}", question.message);
    stream::once(async move { Ok(text) }).boxed()
}
