-- One row per session of any dialect. No foreign key leads out of here: it would cost half the write speed, and
-- the statement that inserts joins the live agents instead.
CREATE TABLE sessions (
    org_id         uuid        NOT NULL,
    dialect        smallint    NOT NULL,
    -- every public id is a function of this one, or hashes to it
    session_id     uuid        NOT NULL,
    agent_id       uuid,
    -- the text that the caller uses, as sent
    public_id      text        NOT NULL,
    -- tells the row of a create whose COMMIT went unanswered from somebody else's
    nonce          uuid        NOT NULL,
    ended_at       timestamptz,
    enabled        boolean     NOT NULL DEFAULT true,
    -- platform, session_type or connection_type, whichever word the dialect has
    kind           text,
    user_id        text,
    name           text,
    description    text,
    metadata       json,
    -- what only its own dialect understands
    detail         json        NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    -- NULL: never
    expires_at     timestamptz,
    -- when a caller was first told that the session has expired
    expiry_told_at timestamptz,
    PRIMARY KEY (org_id, dialect, session_id)
);
CREATE INDEX sessions_by_time ON sessions (org_id, dialect, created_at DESC, session_id DESC);
SELECT isolate_tenant_table('sessions', 'SELECT, INSERT, UPDATE, DELETE');

-- Where a session's numbering stands: the narrow row whose lock orders the appends to one session. last_at keeps
-- the times of its events strictly increasing by at least a millisecond, so that time cursors never skip.
CREATE TABLE session_counters (
    org_id      uuid        NOT NULL,
    dialect     smallint    NOT NULL,
    session_id  uuid        NOT NULL,
    last_number bigint      NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (org_id, dialect, session_id)
);
SELECT isolate_tenant_table('session_counters', 'SELECT, INSERT, UPDATE, DELETE');

-- Whatever was appended to a session, numbered from 1 without gaps.
CREATE TABLE session_events (
    org_id      uuid        NOT NULL,
    dialect     smallint    NOT NULL,
    session_id  uuid        NOT NULL,
    number      bigint      NOT NULL CHECK (number > 0),
    event_id    uuid        NOT NULL,
    -- the text that the caller used for the event, where it was no UUID
    public_id   text,
    parent_id   uuid,
    -- input_message, agent_output, tool_input, turn, …: the dialect's own word
    kind        text        NOT NULL,
    author_id   text,
    content     text,
    -- the rest, as the dialect keeps it
    payload     json        NOT NULL DEFAULT '{}',
    hidden      boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (org_id, dialect, session_id, number)
);
CREATE UNIQUE INDEX session_events_by_id ON session_events (org_id, dialect, session_id, event_id);
SELECT isolate_tenant_table('session_events', 'SELECT, INSERT, UPDATE, DELETE');
