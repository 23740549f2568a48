-- The three database roles. They belong to the whole Postgres cluster, so they stand outside the numbered
-- migrations and are made, by whoever may make roles, before the first of them runs. Safe to run again.
--   sessionary_owner   owns the schema and migrates it
--   sessionary_app     serves requests under row-level security and owns nothing
--   sessionary_system  the command line and the workers; has policies of its own instead of BYPASSRLS
DO $$
DECLARE
    wanted text;
    -- Since Postgres 16, whoever makes a role is a member that may grant it on but not become it (SET), so that being
    -- a member says too little. Older versions do not know the word.
    knows_set CONSTANT boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['sessionary_owner', 'sessionary_app', 'sessionary_system'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of this cluster made it a moment ago
        END;
    END LOOP;

    -- pg_has_role is true of every role for a superuser, who needs no grant either. The options are spelled out because
    -- a grant that is there already keeps those that are not.
    IF NOT (SELECT bool_and(pg_has_role(session_user, rolname, CASE WHEN knows_set THEN 'SET' ELSE 'MEMBER' END))
              FROM pg_roles
             WHERE rolname IN ('sessionary_owner', 'sessionary_app', 'sessionary_system')) THEN
        EXECUTE format('GRANT sessionary_owner, sessionary_app, sessionary_system TO %I %s', session_user,
                       CASE WHEN knows_set THEN 'WITH SET TRUE, INHERIT TRUE' END);
    END IF;
END $$;

GRANT USAGE, CREATE ON SCHEMA public TO sessionary_owner;
GRANT USAGE ON SCHEMA public TO sessionary_app, sessionary_system;
