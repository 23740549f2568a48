mod by_id;
mod end;
mod get;
mod messages;
mod post;
