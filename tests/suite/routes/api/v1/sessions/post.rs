//! `POST /api/v1/sessions`.
