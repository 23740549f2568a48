//! Avatars and their images: one file per operation.

pub(super) mod avatar;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get_image;
pub(super) mod image_form;
pub(super) mod list;
pub(super) mod transfers;
pub(super) mod update;
pub(super) mod upload;
