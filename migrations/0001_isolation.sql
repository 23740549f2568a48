-- Tenant isolation has one home: a tenant table is made one by calling isolate_tenant_table() on it.
--
-- sessionary_app sees the organizations named in app.org_ids, which every transaction sets for itself, and
-- nothing while it is unset. The sub-select makes Postgres read the setting once per statement and keep the
-- comparison an index condition. sessionary_system sees every row through a policy of its own.
CREATE FUNCTION isolate_tenant_table(tenant_table regclass, app_privileges text)
    RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    scope CONSTANT text :=
        'org_id = ANY ((SELECT NULLIF(current_setting(''app.org_ids'', true), '''')::uuid[])::uuid[])';
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY tenant ON %s TO sessionary_app USING (%s) WITH CHECK (%s)',
                   tenant_table, scope, scope);
    EXECUTE format('CREATE POLICY system ON %s TO sessionary_system USING (true) WITH CHECK (true)', tenant_table);
    EXECUTE format('GRANT %s ON %s TO sessionary_app', app_privileges, tenant_table);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO sessionary_system', tenant_table);
END $$;

REVOKE EXECUTE ON FUNCTION isolate_tenant_table(regclass, text) FROM PUBLIC;
