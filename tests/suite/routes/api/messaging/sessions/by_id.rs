//! `GET /api/messaging/sessions/{id}`.
