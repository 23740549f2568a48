-- A database that is distributed by organization (Citus) needs another policy and other places in the feed, so that each of
-- them is decided in one function. On one Postgres nothing changes: the functions are inlined.

-- The condition of the tenant policy. A distributed table permits no sub-select in a policy. Its shards have the one with
-- the sub-select, so the other is for statements of the distributed table itself, of operators and of tests.
CREATE FUNCTION tenant_scope(is_distributed boolean) RETURNS text
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN is_distributed
           THEN 'strpos(current_setting(''app.org_ids'', true), org_id::text) > 0'
           ELSE '(org_id = ANY ((SELECT NULLIF(current_setting(''app.org_ids'', true), '''')::uuid[])::uuid[])) IS TRUE'
           END
$$;

-- The number of the current transaction in the feed.
CREATE FUNCTION feed_number() RETURNS bigint
    LANGUAGE sql VOLATILE
AS $$ SELECT pg_current_xact_id()::text::bigint $$;

-- The number of the oldest transaction that may still be open. Every entry before it is visible.
CREATE FUNCTION feed_horizon() RETURNS bigint
    LANGUAGE sql STABLE
AS $$ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint $$;

-- The number of the next transaction. No entry has it or a later one yet.
CREATE FUNCTION feed_end() RETURNS bigint
    LANGUAGE sql STABLE
AS $$ SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint $$;

REVOKE EXECUTE ON FUNCTION tenant_scope(boolean), feed_number(), feed_horizon(), feed_end() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_number(), feed_horizon(), feed_end() TO sessionary_app, sessionary_system;

CREATE OR REPLACE FUNCTION isolate_tenant_table(tenant_table regclass, app_privileges text)
    RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    scope CONSTANT text := tenant_scope(false);
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
    EXECUTE format('CREATE POLICY tenant ON %s TO sessionary_app USING (%s) WITH CHECK (%s)',
                   tenant_table, scope, scope);
    EXECUTE format('CREATE POLICY system ON %s TO sessionary_system USING (true) WITH CHECK (true)', tenant_table);
    EXECUTE format('GRANT %s ON %s TO sessionary_app', app_privileges, tenant_table);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO sessionary_system', tenant_table);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN org_id SET (n_distinct = 4)', tenant_table);
END $$;

INSERT INTO migration_compatibility (version, needs) VALUES (53, 28);
