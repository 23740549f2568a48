-- Statements queue behind the one that waits for a lock, so it gives up before they do.
SELECT set_config('lock_timeout', '4s', true);

-- A look-up by key has to use the primary key, whatever other index begins with org_id. Two estimates stood in the way.
--
-- First, the policy compared org_id as an index condition beside the statement's own. The planner multiplied the two and
-- counted ten descents, so that a walk over a whole organization looked as cheap as one row: the indexes tied, and
-- sessions_by_time won. IS TRUE keeps the comparison out of index conditions: it is evaluated for each row that a
-- statement finds, unknown is false, and a unique index over all of a key's columns is known to lead to one row.
--
-- Second, a generic plan is made for an average organization, and there are many small ones. What is cheap for them can
-- read all of a large one. So the planner is made to believe in few organizations, each with a quarter of every table.
CREATE OR REPLACE FUNCTION isolate_tenant_table(tenant_table regclass, app_privileges text)
    RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    scope CONSTANT text :=
        '(org_id = ANY ((SELECT NULLIF(current_setting(''app.org_ids'', true), '''')::uuid[])::uuid[])) IS TRUE';
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

DO $$
DECLARE
    tenant record;
BEGIN
    -- Reads and writes go on beside this part.
    FOR tenant IN SELECT polrelid::regclass AS name FROM pg_policy WHERE polname = 'tenant' ORDER BY 1 LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN org_id SET (n_distinct = 4)', tenant.name);
    END LOOP;

    -- For the same reason, sessions with many events: their numbers and their ids each have an index.
    ALTER TABLE session_events ALTER COLUMN session_id SET (n_distinct = 200);

    -- Tables that grow are vacuumed and analyzed after every fiftieth of their rows instead of every fifth: new rows soon
    -- count as visible to all, which index-only scans need, and dead index entries are removed in small portions.
    FOREACH tenant.name IN ARRAY ARRAY['sessions', 'session_counters', 'session_events', 'captured_events',
                                       'session_feed', 'idempotency_keys', 'webhook_deliveries']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0.02,
                                            autovacuum_vacuum_insert_scale_factor = 0.02,
                                            autovacuum_analyze_scale_factor = 0.02,
                                            autovacuum_vacuum_cost_limit = 1000)', tenant.name);
    END LOOP;

    FOR tenant IN SELECT polrelid::regclass AS name FROM pg_policy WHERE polname = 'tenant' ORDER BY 1 LOOP
        -- An empty table keeps the statistics that it began with.
        IF pg_relation_size(tenant.name) > 0 THEN
            EXECUTE format('ANALYZE %s', tenant.name);
        END IF;
    END LOOP;

    -- From here on other statements wait, so this comes last.
    FOR tenant IN SELECT polrelid::regclass AS name FROM pg_policy WHERE polname = 'tenant' ORDER BY 1 LOOP
        EXECUTE format(
            'ALTER POLICY tenant ON %s
                USING ((org_id = ANY ((SELECT NULLIF(current_setting(''app.org_ids'', true), '''')::uuid[])::uuid[])) IS TRUE)
                WITH CHECK ((org_id = ANY ((SELECT NULLIF(current_setting(''app.org_ids'', true), '''')::uuid[])::uuid[])) IS TRUE)',
            tenant.name);
    END LOOP;
END $$;

DROP INDEX IF EXISTS sessions_by_time;

-- The sessions of an agent in the agent_key dialect (3) whose metadata has all of these values, newest first.
--
-- It runs as its owner because under row-level security no index serves @>: an operator that is not leakproof is applied
-- to rows that have passed the policy. Hence the owner's policy, and the look at the scope below. OFFSET 0 keeps the other
-- conditions from its rows: the planner takes an agent's sessions for few and would read them all for a value that none
-- has. What the index finds is of the organization and the agent, because both are part of every entry.
CREATE POLICY look_up ON sessions FOR SELECT TO sessionary_owner USING (true);

CREATE FUNCTION find_sessions_by_metadata(its_org uuid, its_agent uuid, wanted jsonb[], moment timestamptz,
                                          before timestamptz, before_id uuid, most bigint)
    RETURNS TABLE (session_id uuid, created_at timestamptz, name text, description text, is_open boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH entry AS MATERIALIZED (
        SELECT ('{"' || its_org::text || its_agent::text || '":')::text AS head
    )
    SELECT found.session_id, found.created_at, left(found.name, 1000), left(found.description, 1000), found.is_open
      FROM (SELECT s.*, s.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > moment) AS is_open
              FROM public.sessions s
             WHERE s.dialect = 3 AND s.metadata IS NOT NULL
               AND ('{"' || s.org_id::text || s.agent_id::text || '":' || s.metadata::text || '}')::jsonb
                   @> (SELECT (head || wanted[1]::text || '}')::jsonb FROM entry)
               AND ('{"' || s.org_id::text || s.agent_id::text || '":' || s.metadata::text || '}')::jsonb
                   @> (SELECT (head || COALESCE(wanted[2], wanted[1])::text || '}')::jsonb FROM entry)
               AND ('{"' || s.org_id::text || s.agent_id::text || '":' || s.metadata::text || '}')::jsonb
                   @> (SELECT (head || COALESCE(wanted[3], wanted[1])::text || '}')::jsonb FROM entry)
             OFFSET 0) found
     WHERE found.org_id = its_org AND found.agent_id = its_agent AND public.is_in_scope(its_org)
       AND (found.created_at, found.session_id) < (before, before_id)
     ORDER BY found.created_at DESC, found.session_id DESC
     LIMIT most
$$;

REVOKE EXECUTE ON FUNCTION find_sessions_by_metadata(uuid, uuid, jsonb[], timestamptz, timestamptz, uuid, bigint)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_sessions_by_metadata(uuid, uuid, jsonb[], timestamptz, timestamptz, uuid, bigint)
    TO sessionary_app;
