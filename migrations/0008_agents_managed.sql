-- Agents are listed, newest first.
CREATE INDEX agents_by_time ON agents (org_id, created_at DESC, agent_id DESC) WHERE deleted_at IS NULL;

-- Sessions of the agent_key dialect (3) are listed under their agent; the other dialects' pay nothing for it.
CREATE INDEX sessions_by_agent ON sessions (org_id, agent_id, created_at DESC, session_id DESC) WHERE dialect = 3;

-- Tokens of the agent_key dialect's token endpoint, for the 30 minutes that each is good. They are looked up before the
-- organization is known, as API keys are; requests reach the table only through the functions below.
CREATE TABLE access_tokens (
    token_hash bytea       NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    key_hash   bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX access_tokens_by_key ON access_tokens (key_hash, expires_at);

ALTER TABLE access_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON access_tokens TO sessionary_system USING (true) WITH CHECK (true);
CREATE POLICY look_up ON access_tokens TO sessionary_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON access_tokens TO sessionary_system;

-- A token is worth what its key is worth: the scopes are the key's, and a revoked key's tokens are not found.
CREATE FUNCTION find_access_token(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.org_id, k.key_id, k.scopes, LEAST(t.expires_at, k.expires_at)
      FROM public.access_tokens t
      JOIN public.api_key_hashes k ON k.key_hash = t.key_hash
     WHERE t.token_hash = wanted AND k.revoked_at IS NULL
$$;

-- Keeps a token, and takes out the key's own that have run out: nobody else has to sweep.
CREATE FUNCTION keep_access_token(new_token bytea, its_key bytea, made_at timestamptz, runs_out timestamptz)
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM public.access_tokens t WHERE t.key_hash = its_key AND t.expires_at <= made_at;
    INSERT INTO public.access_tokens (token_hash, key_hash, expires_at) VALUES (new_token, its_key, runs_out)
        ON CONFLICT DO NOTHING;
$$;

REVOKE EXECUTE ON FUNCTION find_access_token(bytea), keep_access_token(bytea, bytea, timestamptz, timestamptz)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_access_token(bytea), keep_access_token(bytea, bytea, timestamptz, timestamptz)
    TO sessionary_app, sessionary_system;
