//! `GET /api/v1/sessions/{id}`.
