use futures::stream::{self, StreamExt};

use super::{Answer, Question};

/// The user's own words, quoted: what shows that messages arrive, without anybody to answer them.
pub(super) fn answer(question: &Question) -> Answer {
    let text = format!("You said: {}", question.message);
    stream::once(async move { Ok(text) }).boxed()
}
