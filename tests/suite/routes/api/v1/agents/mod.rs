mod by_id;
mod delete;
mod get;
mod post;
mod sessions;
