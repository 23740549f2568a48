mod get;
mod post;
mod streamed;
