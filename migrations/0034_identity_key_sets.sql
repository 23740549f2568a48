-- The public keys that identity providers publish, as they were last fetched: a restart while a provider is down must
-- not lock its users out. They are public, and no organization's. Requests neither read nor write them: the key that
-- verifies a token must not come from anything that a request can reach.
CREATE TABLE identity_key_sets (
    issuer     text        NOT NULL PRIMARY KEY,
    -- where they were fetched; keys of another place are not used
    source     text        NOT NULL,
    document   text        NOT NULL CHECK (octet_length(document) <= 524288),
    fetched_at timestamptz NOT NULL
);
ALTER TABLE identity_key_sets ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity_key_sets FORCE ROW LEVEL SECURITY;
CREATE POLICY look_up ON identity_key_sets TO sessionary_owner USING (true) WITH CHECK (true);
CREATE POLICY system ON identity_key_sets TO sessionary_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON identity_key_sets TO sessionary_system;

-- The organization of an external id that is registered for this very issuer. Where a deployment trusts several issuers,
-- ids that are registered for every issuer would let each name the organizations of the others.
CREATE FUNCTION find_organization_of_issuer(wanted_issuer text, wanted_external_id text)
    RETURNS TABLE (org_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT x.org_id
      FROM public.organization_external_ids x
     WHERE x.issuer = wanted_issuer AND x.external_id = wanted_external_id
$$;
REVOKE EXECUTE ON FUNCTION find_organization_of_issuer(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_organization_of_issuer(text, text) TO sessionary_app, sessionary_system;

INSERT INTO migration_compatibility (version, needs) VALUES (34, 28);
