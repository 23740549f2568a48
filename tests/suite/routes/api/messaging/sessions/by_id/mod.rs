mod delete;
mod get;
mod heartbeat;
mod messages;
mod renew;
mod timeout;
