//! What is done in the background.

mod webhooks;
