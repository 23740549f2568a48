mod by_key;
mod fork;
mod get;
mod metadata_filter;
mod metadata_index;
mod name_filter;
mod post;
