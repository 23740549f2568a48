mod bounds;
mod post;
