//! `POST /v2/agents/{agent_key}/sessions`.
