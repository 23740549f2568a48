mod capture_session;
mod chat;
mod sessions;
