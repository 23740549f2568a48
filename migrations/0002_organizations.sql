CREATE TABLE organizations (
    org_id       uuid        NOT NULL PRIMARY KEY,
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    external_id  text        CHECK (length(external_id) BETWEEN 1 AND 200),
    -- whether the public x-org-id header alone may capture
    capture_open boolean     NOT NULL DEFAULT true,
    -- what answers messages where an agent names no responder of its own
    responder    json        NOT NULL,
    -- requests per minute and class, where the house's own limits do not fit
    rate_limits  json        NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL,
    disabled_at  timestamptz
);
SELECT isolate_tenant_table('organizations', 'SELECT');

CREATE TABLE api_keys (
    org_id     uuid        NOT NULL,
    key_id     uuid        NOT NULL,
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    prefix     text        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, key_id)
);
SELECT isolate_tenant_table('api_keys', 'SELECT');

-- What must be found before the organization is known. Requests reach these two tables only through the
-- functions below, which run as their owner: hence the owner's policies under FORCE ROW LEVEL SECURITY.
CREATE TABLE api_key_hashes (
    key_hash   bytea       NOT NULL PRIMARY KEY CHECK (length(key_hash) = 32),
    org_id     uuid        NOT NULL,
    key_id     uuid        NOT NULL,
    scopes     text[]      NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);

CREATE TABLE organization_external_ids (
    -- '' stands for every issuer that the deployment trusts
    issuer      text NOT NULL,
    external_id text NOT NULL,
    org_id      uuid NOT NULL,
    PRIMARY KEY (issuer, external_id)
);

ALTER TABLE api_key_hashes ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key_hashes FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON api_key_hashes TO sessionary_system USING (true) WITH CHECK (true);
CREATE POLICY look_up ON api_key_hashes FOR SELECT TO sessionary_owner USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON api_key_hashes TO sessionary_system;

ALTER TABLE organization_external_ids ENABLE ROW LEVEL SECURITY;
ALTER TABLE organization_external_ids FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON organization_external_ids TO sessionary_system USING (true) WITH CHECK (true);
CREATE POLICY look_up ON organization_external_ids FOR SELECT TO sessionary_owner USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON organization_external_ids TO sessionary_system;

CREATE FUNCTION find_api_key(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT k.org_id, k.key_id, k.scopes, k.expires_at
      FROM public.api_key_hashes k
     WHERE k.key_hash = wanted AND k.revoked_at IS NULL
$$;

CREATE FUNCTION find_organization(wanted_issuer text, wanted_external_id text)
    RETURNS TABLE (org_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT x.org_id
      FROM public.organization_external_ids x
     WHERE x.issuer IN (wanted_issuer, '') AND x.external_id = wanted_external_id
     ORDER BY x.issuer DESC -- the issuer's own name before the one for every issuer
     LIMIT 1
$$;

REVOKE EXECUTE ON FUNCTION find_api_key(bytea), find_organization(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_api_key(bytea), find_organization(text, text) TO sessionary_app, sessionary_system;
