-- What the capture dialect's dashboard asks of an event across conversations: found by its id, listed by its time. The
-- event itself, with all it said, is in session_events.
CREATE TABLE captured_events (
    org_id     uuid        NOT NULL,
    event_id   uuid        NOT NULL,
    session_id uuid        NOT NULL,
    -- when it happened, as its sender says; session_events.created_at is when it was taken in
    at         timestamptz NOT NULL,
    kind       text        NOT NULL CHECK (length(kind) <= 50),
    -- the primitive's name, cut to what an index holds
    name       text        NOT NULL CHECK (length(name) <= 200),
    success    boolean     NOT NULL,
    latency_ms bigint      NOT NULL,
    PRIMARY KEY (org_id, event_id)
);
CREATE INDEX captured_events_by_time ON captured_events (org_id, at DESC, event_id DESC);
-- Few events are errors, so this one costs next to nothing.
CREATE INDEX captured_errors_by_time ON captured_events (org_id, at DESC, event_id DESC) WHERE NOT success;
SELECT isolate_tenant_table('captured_events', 'SELECT, INSERT, UPDATE');

-- The same, summed up per hour and per day while events are written, so that no figure is counted out of a table that
-- grows. Each shard belongs to other writers, who would wait for each other's COMMIT on one row.
CREATE TABLE captured_totals (
    org_id      uuid        NOT NULL,
    daily       boolean     NOT NULL,
    bucket      timestamptz NOT NULL,
    kind        text        NOT NULL,
    name        text        NOT NULL,
    shard       smallint    NOT NULL,
    events      bigint      NOT NULL,
    errors      bigint      NOT NULL,
    latency_ms  numeric     NOT NULL,
    latency_max bigint      NOT NULL,
    PRIMARY KEY (org_id, daily, bucket, kind, name, shard)
);
ALTER TABLE captured_totals SET (fillfactor = 70);
SELECT isolate_tenant_table('captured_totals', 'SELECT, INSERT, UPDATE');

-- What an organization keeps for its dashboard: which keys of metadata to show.
CREATE TABLE dashboard_settings (
    org_id uuid NOT NULL,
    name   text NOT NULL CHECK (length(name) <= 50),
    value  json NOT NULL,
    PRIMARY KEY (org_id, name)
);
SELECT isolate_tenant_table('dashboard_settings', 'SELECT, INSERT, UPDATE');

CREATE TABLE dashboard_charts (
    org_id     uuid        NOT NULL,
    chart_id   uuid        NOT NULL,
    position   bigint      NOT NULL,
    settings   json        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, chart_id)
);
SELECT isolate_tenant_table('dashboard_charts', 'SELECT, INSERT, UPDATE, DELETE');

-- Who was named as a member. Whom an identity provider lets in is its own affair.
CREATE TABLE organization_members (
    org_id   uuid        NOT NULL,
    email    text        NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    added_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, email)
);
SELECT isolate_tenant_table('organization_members', 'SELECT, INSERT');

-- An administrator may rename the organization.
GRANT UPDATE (name) ON organizations TO sessionary_app;
