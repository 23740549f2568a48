mod by_id;
mod get;
mod post;
