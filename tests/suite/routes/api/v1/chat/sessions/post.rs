//! `POST /api/v1/chat/sessions`.
