-- What an organization says of its keys, and how it recognises them.
ALTER TABLE api_keys
    ADD COLUMN description   text CHECK (length(description) <= 1000),
    ADD COLUMN metadata      json NOT NULL DEFAULT '{}',
    -- the first characters behind the prefix; of older keys nobody knows them
    ADD COLUMN hint          text CHECK (length(hint) = 4),
    -- the subject of the token that it was made with
    ADD COLUMN created_by    text,
    ADD COLUMN revoke_reason text CHECK (length(revoke_reason) <= 500);
CREATE INDEX api_keys_by_time ON api_keys (org_id, created_at DESC, key_id DESC);
GRANT INSERT ON api_keys TO sessionary_app;
GRANT UPDATE (name, description, metadata, revoke_reason) ON api_keys TO sessionary_app;

-- Hashes, scopes and ends stay where requests reach them through functions only. Those below write for the
-- organizations in app.org_ids; the policy refuses every other row, whatever a function says.
CREATE FUNCTION is_in_scope(org uuid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT COALESCE(org = ANY (NULLIF(current_setting('app.org_ids', true), '')::uuid[]), false)
$$;

DROP POLICY look_up ON api_key_hashes;
CREATE POLICY look_up ON api_key_hashes TO sessionary_owner USING (true) WITH CHECK (is_in_scope(org_id));
CREATE INDEX api_key_hashes_by_key ON api_key_hashes (org_id, key_id);

CREATE FUNCTION api_key_states(its_org uuid, wanted uuid[])
    RETURNS TABLE (key_id uuid, scopes text[], expires_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.key_id, k.scopes, k.expires_at, k.revoked_at
      FROM public.api_key_hashes k
     WHERE k.org_id = its_org AND k.key_id = ANY (wanted) AND public.is_in_scope(its_org)
$$;

CREATE FUNCTION keep_api_key(new_key bytea, its_org uuid, its_id uuid, its_scopes text[], runs_out timestamptz)
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    INSERT INTO public.api_key_hashes (key_hash, org_id, key_id, scopes, expires_at)
    VALUES (new_key, its_org, its_id, its_scopes, runs_out)
$$;

-- What was revoked stays so.
CREATE FUNCTION end_api_key(its_org uuid, its_id uuid, runs_out timestamptz, revoked timestamptz)
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    UPDATE public.api_key_hashes k
       SET expires_at = runs_out, revoked_at = COALESCE(k.revoked_at, revoked)
     WHERE k.org_id = its_org AND k.key_id = its_id AND public.is_in_scope(its_org)
$$;

REVOKE EXECUTE ON FUNCTION is_in_scope(uuid), api_key_states(uuid, uuid[]),
    keep_api_key(bytea, uuid, uuid, text[], timestamptz), end_api_key(uuid, uuid, timestamptz, timestamptz)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_states(uuid, uuid[]), keep_api_key(bytea, uuid, uuid, text[], timestamptz),
    end_api_key(uuid, uuid, timestamptz, timestamptz)
    TO sessionary_app, sessionary_system;
