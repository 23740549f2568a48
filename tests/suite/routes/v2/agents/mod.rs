mod by_key;
mod get;
mod post;
