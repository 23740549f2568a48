//! `POST /api/messaging/sessions`.
