#[expect(clippy::module_inception, reason = "the vendor's path has the word twice")]
mod chat;
