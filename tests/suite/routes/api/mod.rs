mod agents;
mod messaging;
mod server;
mod v1;
