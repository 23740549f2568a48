mod by_key;
mod fork;
mod get;
mod metadata_filter;
mod post;
