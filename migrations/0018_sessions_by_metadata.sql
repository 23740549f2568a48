-- no-transaction
-- For metadata filters of the agent_key dialect (3) that name a value. Organization and agent are part of every entry, so
-- that what others have stored under the same word is not read. Entries wait in a short list before they are sorted in:
-- in a long one every search would look first. The other dialects' sessions pay nothing for it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sessions_by_metadata ON sessions
    USING gin ((('{"' || org_id::text || agent_id::text || '":' || metadata::text || '}')::jsonb) jsonb_path_ops)
    WITH (gin_pending_list_limit = 512)
    WHERE dialect = 3 AND metadata IS NOT NULL;
