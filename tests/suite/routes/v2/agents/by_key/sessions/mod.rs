mod by_key;
mod fork;
mod get;
mod metadata_filter;
mod name_filter;
mod post;
