mod by_id;
mod get;
mod health;
mod post;
