//! Webhooks: the deliveries to endpoints, their attempts, and errors.

mod asked;
mod attempts;
mod crowd;
mod replicas;
mod sealing;
mod told;
