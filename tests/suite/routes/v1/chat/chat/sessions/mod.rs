mod by_id;
mod post;
