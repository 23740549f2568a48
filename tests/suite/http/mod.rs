//! What the service does for every dialect.

mod bodies;
mod connections;
mod cors;
mod encodings;
mod envelopes;
mod hang_ups;
mod idempotency;
mod identity_provider;
mod key_addresses;
mod leaked_keys;
mod listener;
mod page_bytes;
mod pages;
mod response_rate;
mod strangers;
mod tokens;
mod total_limits;
