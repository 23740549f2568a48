mod api_keys;
#[expect(clippy::module_inception, reason = "the vendor's path has the word twice")]
mod chat;
mod contacts;
mod events;
mod events_restored;
mod health;
mod models;
mod out_of_scope;
