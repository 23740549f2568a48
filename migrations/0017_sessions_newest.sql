-- no-transaction
-- In place of sessions_by_time, which ended in the session's id: it could so serve a look-up by the id, and made inserts
-- slower by a sixth. Sessions of one millisecond are sorted as they are read. Concurrently, because writers would wait for
-- as long as it takes to read the whole table.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sessions_newest ON sessions (org_id, dialect, created_at DESC);
