-- Distributes the tables of a migrated database by organization, on the coordinator, as sessionary_owner. Safe to run
-- again, also after an interruption: each table is one transaction of the loop's own.

-- Found by their hash alone; a distributed table's keys have its organization.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'public.api_key_hashes'::regclass) THEN
        ALTER TABLE api_key_hashes DROP CONSTRAINT IF EXISTS api_key_hashes_pkey;
        ALTER TABLE api_key_hashes ADD CONSTRAINT api_key_hashes_pkey PRIMARY KEY (org_id, key_hash);
        CREATE INDEX IF NOT EXISTS api_key_hashes_by_hash ON api_key_hashes (key_hash);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'public.access_tokens'::regclass) THEN
        ALTER TABLE access_tokens ADD COLUMN IF NOT EXISTS org_id uuid;
        UPDATE access_tokens t SET org_id = k.org_id FROM api_key_hashes k WHERE k.key_hash = t.key_hash;
        DELETE FROM access_tokens WHERE org_id IS NULL;
        ALTER TABLE access_tokens DROP CONSTRAINT IF EXISTS access_tokens_pkey;
        ALTER TABLE access_tokens ADD CONSTRAINT access_tokens_pkey PRIMARY KEY (org_id, token_hash);
        CREATE INDEX IF NOT EXISTS access_tokens_by_hash ON access_tokens (token_hash);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION keep_access_token(new_token bytea, its_key bytea, made_at timestamptz, runs_out timestamptz)
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM public.access_tokens t WHERE t.key_hash = its_key AND t.expires_at <= made_at;
    INSERT INTO public.access_tokens (org_id, token_hash, key_hash, expires_at)
    SELECT k.org_id, new_token, its_key, runs_out FROM public.api_key_hashes k WHERE k.key_hash = its_key
        ON CONFLICT DO NOTHING;
$$;

-- With the condition of the policy in the statement, because the policy is not forced upon the owner while shards are moved.
CREATE OR REPLACE FUNCTION keep_api_key(new_key bytea, its_org uuid, its_id uuid, its_scopes text[], runs_out timestamptz)
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    INSERT INTO public.api_key_hashes (key_hash, org_id, key_id, scopes, expires_at)
    SELECT new_key, its_org, its_id, its_scopes, runs_out WHERE public.is_in_scope(its_org)
$$;

CREATE OR REPLACE FUNCTION keep_api_key(new_key bytea, its_org uuid, its_id uuid, its_scopes text[], runs_out timestamptz,
                                        its_addresses text[])
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    INSERT INTO public.api_key_hashes (key_hash, org_id, key_id, scopes, expires_at, allowed_addresses)
    SELECT new_key, its_org, its_id, its_scopes, runs_out, its_addresses WHERE public.is_in_scope(its_org)
$$;
