//! `POST /api/v1/capture-session`.
