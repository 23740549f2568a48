//! The most frequent statements, and the index that each uses.

pub struct Hot {
    /// Every statement that contains all of these, at least one.
    pub contains: &'static [&'static str],
    pub table: &'static str,
    /// The only index through which it reads the table.
    pub index: &'static str,
}

const fn hot(contains: &'static [&'static str], table: &'static str, index: &'static str) -> Hot {
    Hot { contains, table, index }
}

pub const STATEMENTS: &[Hot] = &[
    // Single sessions: found, locked, read page by page, followed, changed.
    hot(&["JOIN sessions s USING (org_id, dialect, session_id)"], "sessions", "sessions_pkey"),
    hot(&["UPDATE sessions s"], "sessions", "sessions_pkey"),
    hot(&["UPDATE sessions\n"], "sessions", "sessions_pkey"),
    hot(&["WHERE a.org_id = named.org_id AND a.agent_id = named.agent_id"], "agents", "agents_pkey"),
    // Lists of sessions, and their totals.
    hot(&["org_id = $1 AND dialect = $2 AND $3::uuid IS NULL"], "sessions", "sessions_newest"),
    hot(
        &["org_id = $1 AND dialect = $2 AND agent_id = $3 AND dialect IN (2, 5)"],
        "sessions",
        "sessions_by_chat_agent",
    ),
    hot(&["dialect = 3 AND agent_id = $2"], "sessions", "sessions_by_agent"),
    hot(&["FROM sessions\n", "dialect = $2 AND created_at >= $3"], "sessions", "sessions_newest"),
    hot(&["octet_length(user_id) <= 2048"], "sessions", "sessions_by_user"),
    // Events of a session.
    hot(&["JOIN session_counters c USING (org_id, dialect, session_id)"], "session_counters", "session_counters_pkey"),
    hot(&["LEFT JOIN session_counters c ON $4"], "session_counters", "session_counters_pkey"),
    hot(&["UPDATE session_counters c"], "session_counters", "session_counters_pkey"),
    hot(
        &["JOIN session_events e USING (org_id, dialect, session_id, number)"],
        "session_events",
        "session_events_pkey",
    ),
    hot(
        &["JOIN session_events e USING (org_id, dialect, session_id, event_id)"],
        "session_events",
        "session_events_by_id",
    ),
    hot(
        &["FROM session_events\n", "session_id = $3", "ORDER BY number", "LIMIT"],
        "session_events",
        "session_events_pkey",
    ),
    hot(&["session_events", "session_id = $3 AND event_id = "], "session_events", "session_events_by_id"),
    // Captured events, by their id.
    hot(
        &["JOIN captured_events c ON c.org_id = e.org_id AND c.event_id = e.event_id", "FROM session_events e"],
        "captured_events",
        "captured_events_pkey",
    ),
    // Spans of a trace.
    hot(&["JOIN captured_traces t USING (org_id, trace_id)"], "captured_traces", "captured_traces_pkey"),
    hot(&["trace_id = wanted.trace_id"], "captured_spans", "captured_spans_by_trace"),
    hot(&["JOIN captured_spans s USING (org_id, event_id)"], "captured_spans", "captured_spans_pkey"),
    // Agents, contacts, avatars, keys.
    hot(&["a.agent_id = ANY ($2)"], "agents", "agents_pkey"),
    hot(&["(a.created_at, a.agent_id) < ($4, $5)"], "agents", "agents_by_time"),
    hot(&["(created_at, agent_id) < ($3, $4)"], "agents", "agents_by_time"),
    hot(&["FROM avatars x", "a.agent_id = "], "avatars", "avatars_pkey"),
    hot(&["FROM avatars", "(created_at, number) < ($2, $3)"], "avatars", "avatars_by_time"),
    hot(&["FROM contacts WHERE org_id = $1 AND contact_id = "], "contacts", "contacts_pkey"),
    hot(&["UPDATE contacts"], "contacts", "contacts_pkey"),
    hot(&["FROM contacts WHERE org_id = $1 AND external_id = $2"], "contacts", "contacts_external_id"),
    hot(&["FROM contacts", "(created_at, contact_id) < ($2, $3)"], "contacts", "contacts_by_time"),
    hot(&["FROM api_keys", "(created_at, key_id) < ($2, $3)"], "api_keys", "api_keys_by_time"),
    hot(&["UPDATE api_keys"], "api_keys", "api_keys_pkey"),
    hot(&["SET last_used_at = used.at"], "api_keys", "api_keys_pkey"),
    hot(&["FROM agent_usage"], "agent_usage", "agent_usage_pkey"),
    hot(&["FROM usage_days", "day BETWEEN $2 AND $3"], "usage_days", "usage_days_pkey"),
    // Idempotency, the feed, deliveries.
    hot(&["idempotency_keys", "AND target = $3 AND key = $4"], "idempotency_keys", "idempotency_keys_pkey"),
    hot(&["JOIN idempotency_keys k USING"], "idempotency_keys", "idempotency_keys_pkey"),
    hot(&["UPDATE idempotency_keys k", "k.holder = new.holder"], "idempotency_keys", "idempotency_keys_pkey"),
    hot(&["DELETE FROM idempotency_keys k", "k.holder = old.holder"], "idempotency_keys", "idempotency_keys_pkey"),
    hot(&["FROM session_feed", "(transaction, place) > ($2, $3)"], "session_feed", "session_feed_pkey"),
    hot(&["FROM session_feed f", "(f.transaction, f.place) > ("], "session_feed", "session_feed_pkey"),
    hot(&["UPDATE webhook_deliveries\n", "delivery_id = $2"], "webhook_deliveries", "webhook_deliveries_pkey"),
    // Expiries for webhooks.
    hot(&["e.due_at <= $1"], "session_expiries", "session_expiries_due"),
    hot(&["UPDATE session_expiries"], "session_expiries", "session_expiries_pkey"),
    hot(&["FROM sessions\n", "dialect = $2 AND session_id > $3\n"], "sessions", "sessions_pkey"),
];
