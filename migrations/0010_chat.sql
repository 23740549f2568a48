-- The agntix (2) and integer_id (5) dialects list the sessions of one agent; the other dialects' pay nothing for it.
CREATE INDEX sessions_by_chat_agent ON sessions (org_id, dialect, agent_id, created_at DESC, session_id DESC)
    WHERE dialect IN (2, 5);

CREATE INDEX avatars_by_time ON avatars (org_id, created_at DESC, number DESC);

-- How much an agent was used, added up where its sessions are written. Each writer's connection adds to a row of its
-- own, so that the sessions of a busy agent do not queue for one; the rows together are the agent's.
CREATE TABLE agent_usage (
    org_id       uuid        NOT NULL,
    agent_id     uuid        NOT NULL,
    shard        smallint    NOT NULL,
    started      bigint      NOT NULL,
    ended        bigint      NOT NULL,
    -- of the sessions that ended, together
    seconds      bigint      NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, agent_id, shard)
) WITH (fillfactor = 50);
SELECT isolate_tenant_table('agent_usage', 'SELECT, INSERT, UPDATE');

-- Whom sessions are with.
CREATE TABLE contacts (
    org_id      uuid        NOT NULL,
    contact_id  uuid        NOT NULL,
    -- the caller's own customer id
    external_id text        CHECK (length(external_id) BETWEEN 1 AND 255),
    name        text,
    phone       text,
    email       text,
    metadata    json        NOT NULL DEFAULT '{}',
    tags        text[]      NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (org_id, contact_id)
);
CREATE UNIQUE INDEX contacts_external_id ON contacts (org_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX contacts_by_time ON contacts (org_id, created_at DESC, contact_id DESC);
SELECT isolate_tenant_table('contacts', 'SELECT, INSERT, UPDATE, DELETE');

-- What happened to the sessions of dialects that stream it, in an order that a reader can follow without loss: by
-- transaction. A reader reads up to the oldest transaction that is still open, so nothing can appear behind it. Rows
-- count for a day.
CREATE TABLE session_feed (
    org_id       uuid        NOT NULL,
    transaction  bigint      NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    place        integer     NOT NULL,
    dialect      smallint    NOT NULL,
    session_id   uuid        NOT NULL,
    -- 1 started, 2 updated, 3 ended, 4 an event was appended
    kind         smallint    NOT NULL CHECK (kind BETWEEN 1 AND 4),
    event_number bigint,
    at           timestamptz NOT NULL,
    PRIMARY KEY (org_id, transaction, place)
);
-- For whoever sweeps by time. The rows come in the order of their time.
CREATE INDEX session_feed_by_time ON session_feed USING brin (org_id, at);
SELECT isolate_tenant_table('session_feed', 'SELECT, INSERT, DELETE');
