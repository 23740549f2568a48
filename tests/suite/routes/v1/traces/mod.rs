mod bounds;
mod late;
mod logs;
mod odd;
mod post;
mod turns;
