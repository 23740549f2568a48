mod chat;
mod traces;
