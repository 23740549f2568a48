mod sessions;
mod submit;
