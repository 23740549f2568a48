mod delete;
mod get;
mod identity;
mod patch;
mod put;
mod sessions;
