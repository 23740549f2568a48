//! `GET /api/v1/chat/sessions/{id}`.
