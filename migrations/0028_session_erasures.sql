-- Deleted sessions whose events are still to be deleted. The row of the session stays without its content, because the
-- key of an agent's first session leads to the later ones under the same key.
CREATE TABLE session_erasures (
    org_id       uuid        NOT NULL,
    dialect      smallint    NOT NULL,
    session_id   uuid        NOT NULL,
    requested_at timestamptz NOT NULL,
    -- when the worker takes it next: those with many events take turns
    due_at       timestamptz NOT NULL,
    PRIMARY KEY (org_id, dialect, session_id)
) WITH (fillfactor = 80);
CREATE INDEX session_erasures_due ON session_erasures (org_id, due_at);
SELECT isolate_tenant_table('session_erasures', 'SELECT (org_id, dialect, session_id), INSERT');
