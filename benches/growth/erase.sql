-- The $2 oldest sessions of organization $1 in the agntix dialect (2), with their events and counters.
WITH old AS MATERIALIZED (
    SELECT org_id, dialect, session_id FROM sessions
     WHERE org_id = $1 AND dialect = 2
     ORDER BY created_at LIMIT $2
       FOR UPDATE SKIP LOCKED
), events AS (
    DELETE FROM session_events e USING old
     WHERE e.org_id = old.org_id AND e.dialect = old.dialect AND e.session_id = old.session_id
), counters AS (
    DELETE FROM session_counters c USING old
     WHERE c.org_id = old.org_id AND c.dialect = old.dialect AND c.session_id = old.session_id
), gone AS (
    DELETE FROM sessions s USING old
     WHERE s.org_id = old.org_id AND s.dialect = old.dialect AND s.session_id = old.session_id
    RETURNING 1
)
SELECT count(*) FROM gone
