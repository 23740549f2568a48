mod by_id;
mod get;
mod image;
mod post;
mod upload;
mod user;
