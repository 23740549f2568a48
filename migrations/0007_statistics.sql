-- A table that was never analyzed has no statistics, and without them the planner takes every condition for equally
-- selective: it would read all sessions of an organization to find one by its key, until autovacuum comes by a minute
-- or more after the first rows. So the tables begin with the statistics of rows like those to come, which are gone
-- again when this migration ends. A table that has rows of its own is analyzed as it is.
DO $$
DECLARE
    seeded CONSTANT text[] := ARRAY['sessions', 'session_counters', 'session_events'];
    tenant_table text;
    is_empty boolean := true;
    has_rows boolean;
BEGIN
    -- The owner of these tables has no policy on them.
    FOREACH tenant_table IN ARRAY seeded LOOP
        EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', tenant_table) INTO has_rows;
        is_empty := is_empty AND NOT has_rows;
    END LOOP;

    IF is_empty THEN
        -- One organization that holds everything, which is the case that a wrong plan makes slow.
        INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, detail, created_at, updated_at)
        SELECT md5('org')::uuid, 4, md5('session' || n)::uuid, md5('agent' || n % 50)::uuid, n, md5('nonce' || n)::uuid,
               '{}', now() - n * interval '1 minute', now()
          FROM generate_series(1, 2000) n;
        INSERT INTO session_counters (org_id, dialect, session_id, last_number, last_at)
        SELECT org_id, dialect, session_id, 30, created_at FROM sessions;
        INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, created_at)
        SELECT org_id, dialect, session_id, number, md5(session_id::text || number)::uuid, 'message', created_at
          FROM (SELECT * FROM sessions LIMIT 200) talked, generate_series(1, 30) number;
    END IF;

    FOREACH tenant_table IN ARRAY seeded LOOP
        EXECUTE format('ANALYZE %I', tenant_table);
        IF is_empty THEN
            -- Unlike a DELETE, this leaves no pages behind from which the planner would reckon an empty table.
            EXECUTE format('TRUNCATE %I', tenant_table);
        END IF;
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
    END LOOP;
END $$;
