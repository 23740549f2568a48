-- When a key was last used, to about a minute, and from where it may be used.
ALTER TABLE api_keys
    ADD COLUMN last_used_at timestamptz,
    SET (fillfactor = 70);
GRANT UPDATE (last_used_at) ON api_keys TO sessionary_app;

-- networks in CIDR notation; without any, the key may be used from everywhere
ALTER TABLE api_key_hashes
    ADD COLUMN allowed_addresses text[] CHECK (cardinality(allowed_addresses) BETWEEN 1 AND 32);

-- Requests per minute and class of all credentials of an organization together. A column of its own, because releases
-- before this one reject members of rate_limits that they do not know.
ALTER TABLE organizations ADD COLUMN total_rate_limits json NOT NULL DEFAULT '{}';

CREATE FUNCTION look_up_api_key(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz, allowed_addresses text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.org_id, k.key_id, k.scopes, k.expires_at, k.allowed_addresses
      FROM public.api_key_hashes k
     WHERE k.key_hash = wanted AND k.revoked_at IS NULL
$$;

CREATE FUNCTION look_up_access_token(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz, allowed_addresses text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.org_id, k.key_id, k.scopes, LEAST(t.expires_at, k.expires_at), k.allowed_addresses
      FROM public.access_tokens t
      JOIN public.api_key_hashes k ON k.key_hash = t.key_hash
     WHERE t.token_hash = wanted AND k.revoked_at IS NULL
$$;

-- Releases before this one call these. They do not know the networks, so they find no key that has some.
CREATE OR REPLACE FUNCTION find_api_key(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.org_id, k.key_id, k.scopes, k.expires_at
      FROM public.api_key_hashes k
     WHERE k.key_hash = wanted AND k.revoked_at IS NULL AND k.allowed_addresses IS NULL
$$;

CREATE OR REPLACE FUNCTION find_access_token(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.org_id, k.key_id, k.scopes, LEAST(t.expires_at, k.expires_at)
      FROM public.access_tokens t
      JOIN public.api_key_hashes k ON k.key_hash = t.key_hash
     WHERE t.token_hash = wanted AND k.revoked_at IS NULL AND k.allowed_addresses IS NULL
$$;

CREATE FUNCTION describe_api_keys(its_org uuid, wanted uuid[])
    RETURNS TABLE (key_id uuid, scopes text[], expires_at timestamptz, revoked_at timestamptz, allowed_addresses text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.key_id, k.scopes, k.expires_at, k.revoked_at, k.allowed_addresses
      FROM public.api_key_hashes k
     WHERE k.org_id = its_org AND k.key_id = ANY (wanted) AND public.is_in_scope(its_org)
$$;

CREATE FUNCTION keep_api_key(new_key bytea, its_org uuid, its_id uuid, its_scopes text[], runs_out timestamptz,
                             its_addresses text[])
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    INSERT INTO public.api_key_hashes (key_hash, org_id, key_id, scopes, expires_at, allowed_addresses)
    VALUES (new_key, its_org, its_id, its_scopes, runs_out, its_addresses)
$$;

REVOKE EXECUTE ON FUNCTION look_up_api_key(bytea), look_up_access_token(bytea), describe_api_keys(uuid, uuid[]),
    keep_api_key(bytea, uuid, uuid, text[], timestamptz, text[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION look_up_api_key(bytea), look_up_access_token(bytea), describe_api_keys(uuid, uuid[]),
    keep_api_key(bytea, uuid, uuid, text[], timestamptz, text[])
    TO sessionary_app, sessionary_system;

INSERT INTO migration_compatibility (version, needs) VALUES (37, 28);
