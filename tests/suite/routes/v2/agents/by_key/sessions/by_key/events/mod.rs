mod by_id;
mod compact;
mod get;
mod post;
mod streamed;
