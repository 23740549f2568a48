mod agents;
mod avatars;
mod capture_event;
mod capture_session;
mod chat;
mod sessions;
