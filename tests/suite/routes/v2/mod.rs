mod agents;
mod chat;
