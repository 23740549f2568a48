-- A session has one user, sessions.user_id. Other ids in it that may be the same person's are here, so that an erasure
-- finds the session by each of them. Few sessions have any.
CREATE TABLE session_aliases (
    org_id     uuid             NOT NULL,
    dialect    smallint         NOT NULL,
    session_id uuid             NOT NULL,
    user_id    text COLLATE "C" NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 2048),
    PRIMARY KEY (org_id, dialect, session_id, user_id)
);
CREATE INDEX session_aliases_by_user ON session_aliases (org_id, user_id, dialect, session_id);
SELECT isolate_tenant_table('session_aliases', 'SELECT, INSERT, DELETE');

-- Organizations whose older sessions do not have their users yet, and the session that was looked at last.
CREATE TABLE session_user_backfills (
    org_id     uuid        NOT NULL PRIMARY KEY,
    dialect    smallint    NOT NULL,
    session_id uuid        NOT NULL,
    -- when the worker begins
    due_at     timestamptz NOT NULL
);
SELECT isolate_tenant_table('session_user_backfills', 'SELECT (org_id)');
-- In place of all organizations, also those to come, as long as replicas of the release before may write sessions without
-- their users. The owner has no policy on these tables.
SET LOCAL ROLE sessionary_system;
INSERT INTO session_user_backfills (org_id, dialect, session_id, due_at)
SELECT '00000000-0000-0000-0000-000000000000', 0, '00000000-0000-0000-0000-000000000000', now() + interval '1 hour'
 WHERE EXISTS (SELECT FROM sessions);
SET LOCAL ROLE sessionary_owner;

-- A release that does not know them writes sessions without users for as long as it runs, and no aliases.
INSERT INTO migration_compatibility (version, needs) VALUES (40, 28);
