//! Who the caller is, and which service this is.

pub mod me;
pub mod version;
