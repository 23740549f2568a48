//! `GET /v2/agents/{agent_key}/sessions/{session_key}`.
