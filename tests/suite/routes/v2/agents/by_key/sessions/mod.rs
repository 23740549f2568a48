mod by_key;
mod post;
