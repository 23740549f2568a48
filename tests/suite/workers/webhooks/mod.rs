//! Webhooks: the deliveries to endpoints, their attempts, and errors.

mod asked;
mod attempts;
mod crowd;
mod dialects;
mod expiries;
mod followers;
mod messages;
mod replicas;
mod sealing;
mod told;
