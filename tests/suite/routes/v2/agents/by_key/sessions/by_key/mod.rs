mod artifacts;
mod delete;
mod events;
mod get;
mod patch;
