mod bounds;
mod late;
mod logs;
mod moved;
mod odd;
mod post;
mod turns;
