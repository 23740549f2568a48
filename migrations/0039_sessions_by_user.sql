-- no-transaction
-- The users of an organization, and the sessions of a user, newest first. Ids are sorted by their bytes, so that those
-- that begin with a text are next to each other. A B-tree entry has room for 2,700 bytes, so that a longer id is left out.
-- A release that does not know the index sorts what it writes into it.
-- INSERT INTO migration_compatibility (version, needs) VALUES (39, 28);
-- Concurrently, because writers would wait for as long as it takes to read the whole table.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sessions_by_user
    ON sessions (org_id, user_id COLLATE "C", created_at DESC, dialect DESC, session_id DESC)
    WHERE octet_length(user_id) <= 2048;
