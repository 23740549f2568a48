-- Erasures of a user, of a session, of a whole organization, or of old sessions. A row is the request and its progress;
-- once it is done it is the receipt, which has no personal data.
CREATE TABLE erasures (
    org_id       uuid        NOT NULL,
    erasure_id   uuid        NOT NULL,
    -- 1 a user, 2 a session, 3 the organization, 4 old sessions (retention)
    scope        smallint    NOT NULL CHECK (scope BETWEEN 1 AND 4),
    -- the id of the user or session; NULL once it is done
    subject      text        CHECK (length(subject) BETWEEN 1 AND 2048),
    -- HMAC-SHA256 of it, under a key that only the one who requested the erasure has
    subject_hash bytea       CHECK (length(subject_hash) = 32),
    -- old sessions: of this dialect, without a change since this time
    dialect      smallint,
    unused_since timestamptz,
    requested_at timestamptz NOT NULL,
    -- 1: what is stored now; 2: what was in progress then, when that has ended
    pass         smallint    NOT NULL DEFAULT 1 CHECK (pass IN (1, 2)),
    -- what comes next, with its cursor
    step         json        NOT NULL,
    -- deleted rows per table
    counts       json        NOT NULL DEFAULT '{}',
    -- when the worker takes it next; NULL once it is done
    due_at       timestamptz,
    done_at      timestamptz,
    PRIMARY KEY (org_id, erasure_id),
    CHECK (num_nonnulls(due_at, done_at) = 1),
    CHECK (done_at IS NULL OR subject IS NULL)
) WITH (fillfactor = 70);
CREATE INDEX erasures_due ON erasures (org_id, due_at) WHERE due_at IS NOT NULL;
SELECT isolate_tenant_table('erasures', 'SELECT (org_id)');

-- The sessions that an erasure has found, until it is done.
CREATE TABLE erasure_sessions (
    org_id     uuid     NOT NULL,
    erasure_id uuid     NOT NULL,
    dialect    smallint NOT NULL,
    session_id uuid     NOT NULL,
    PRIMARY KEY (org_id, erasure_id, dialect, session_id)
);
SELECT isolate_tenant_table('erasure_sessions', 'SELECT (org_id)');

-- After how many days without a change an organization's sessions of a dialect are erased. Without a row: never.
CREATE TABLE retention_rules (
    org_id   uuid        NOT NULL,
    dialect  smallint    NOT NULL,
    days     integer     NOT NULL CHECK (days BETWEEN 1 AND 36500),
    -- when the worker applies it next
    next_at  timestamptz NOT NULL,
    PRIMARY KEY (org_id, dialect)
);
SELECT isolate_tenant_table('retention_rules', 'SELECT (org_id)');

-- Organizations whose data must not be erased by a command or by retention.
CREATE TABLE legal_holds (
    org_id uuid        NOT NULL PRIMARY KEY,
    since  timestamptz NOT NULL
);
SELECT isolate_tenant_table('legal_holds', 'SELECT (org_id)');

INSERT INTO migration_compatibility (version, needs) VALUES (35, 28);
