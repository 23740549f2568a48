mod by_id;
mod close;
mod download;
mod get;
mod messages;
mod post;
mod streamed;
