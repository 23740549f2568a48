//! What is done in the background.

mod erasure;
mod webhooks;
