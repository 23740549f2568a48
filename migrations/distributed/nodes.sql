-- What every node of a distributed database (Citus) needs, as sessionary_owner. Safe to run again.
--
-- A shard is used as a small database of its own: its rows are in tables of one node, such as sessions_102008, and the
-- schema shard_<number> has views of the tables' own names and copies of the functions. A connection whose search_path
-- begins with that schema runs the same statements as on one Postgres, planned by Postgres alone, because no statement
-- names a distributed table. The number is the shard's of organizations: all tables are distributed in the same way.

-- Fails with SQLSTATE SH001 unless the shard is on this node, with its schema. A shard that was moved leaves its tables behind
-- for a while, and a migration drops the schemas; without one, names would lead to the distributed tables.
CREATE OR REPLACE FUNCTION public.find_shard(its_number bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_dist_placement p
                    WHERE p.shardid = its_number AND p.groupid = (SELECT l.groupid FROM pg_dist_local_group l)) THEN
        RAISE EXCEPTION 'shard % is not on this node', its_number USING ERRCODE = 'SH001';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'shard_' || its_number) THEN
        RAISE EXCEPTION 'shard % has no schema', its_number USING ERRCODE = 'SH001';
    END IF;
END $$;

-- The same for a transaction that writes. Until it ends, the shard is not moved: a move takes this lock in its exclusive
-- mode before it reads the last rows.
CREATE OR REPLACE FUNCTION public.enter_shard(its_number bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET lock_timeout = '7s' -- some connections wait less for the locks of rows, which a move has nothing to do with
AS $$
BEGIN
    PERFORM public.find_shard(its_number);
    PERFORM lock_shard_metadata(5, ARRAY[its_number]); -- 5: SHARE
    PERFORM public.find_shard(its_number);
END $$;

-- What is noted at a view of a shard. Reads the tables of the catalog, because look-ups by name may use a cache that does not
-- know yet what another connection has just committed.
CREATE OR REPLACE FUNCTION public.shard_comment(its_number bigint, its_view text) RETURNS text
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT d.description
      FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = its_view
      JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
     WHERE n.nspname = format('shard_%s', its_number)
$$;

-- Makes the schema of a shard that is on this node, if there is none of this version.
--
-- The feed's numbers must not fall when a shard moves to a node with lower transaction ids. So a transaction's number is
-- the time at which the shard came to this node, in units of 1/2^20 of a second, and the number of transactions since then,
-- of which there are fewer than 2^20 a second. The nodes' clocks must be about the same. When a shard leaves a node, its tables are
-- dropped and the views with them, so that it has a new time when it comes back.
CREATE OR REPLACE FUNCTION public.attach_shard(its_number bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    SET citus.enable_ddl_propagation = off
    SET citus.enable_manual_changes_to_shards = on
    SET check_function_bodies = off
AS $$
DECLARE
    space CONSTANT text := format('shard_%s', its_number);
    mark text;
    base bigint;
    part record;
    item record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_dist_placement p JOIN pg_dist_shard s USING (shardid)
                    WHERE p.shardid = its_number AND s.logicalrelid = 'public.organizations'::regclass
                      AND p.groupid = (SELECT l.groupid FROM pg_dist_local_group l)) THEN
        RAISE EXCEPTION 'shard % is not on this node', its_number USING ERRCODE = 'SH001';
    END IF;
    -- Changes with every migration.
    mark := (SELECT md5(string_agg(format('%s %s', p.oid, p.xmin), ',' ORDER BY p.oid))
               FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace)
            || (SELECT md5(string_agg(format('%s %s %s', a.attrelid, a.attname, a.attacl), ','
                                      ORDER BY a.attrelid, a.attnum))
                  FROM pg_attribute a JOIN pg_dist_partition d ON d.logicalrelid = a.attrelid
                 WHERE a.attnum > 0 AND NOT a.attisdropped);
    IF public.shard_comment(its_number, 'organizations') = mark THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(1398096000, (its_number % 2147483647)::integer);
    IF public.shard_comment(its_number, 'organizations') = mark THEN
        RETURN;
    END IF;
    base := COALESCE(public.shard_comment(its_number, 'session_feed')::bigint,
                     (extract(epoch FROM clock_timestamp()) * 1048576)::bigint
                     - pg_snapshot_xmin(pg_current_snapshot())::text::bigint);
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', space);
    EXECUTE format('CREATE SCHEMA %I', space);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO sessionary_app, sessionary_system', space);

    FOR part IN
        SELECT c.relname AS name, c.oid AS id, format('%s_%s', c.relname, s.shardid) AS here
          FROM pg_dist_shard anchor
          JOIN pg_dist_shard s ON s.shardminvalue = anchor.shardminvalue AND s.shardmaxvalue = anchor.shardmaxvalue
          JOIN pg_class c ON c.oid = s.logicalrelid
         WHERE anchor.shardid = its_number AND c.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('CREATE VIEW %I.%I WITH (security_invoker = true) AS SELECT *%s FROM public.%I',
                       space, part.name, CASE WHEN part.name = 'sessions' THEN ', xmin' END, part.here);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO sessionary_app, sessionary_system',
                       space, part.name);
        -- The planner's settings of the columns are not carried over to shards.
        FOR item IN
            SELECT a.attname AS name, string_agg(format('%s = %s', o.option_name, o.option_value), ', ') AS options
              FROM pg_attribute a CROSS JOIN pg_options_to_table(a.attoptions) o
             WHERE a.attrelid = part.id AND NOT a.attisdropped AND o.option_name LIKE 'n_distinct%'
             GROUP BY a.attname
        LOOP
            EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I SET (%s)', part.here, item.name, item.options);
        END LOOP;
        -- Nor are privileges of single columns. Who selects from a view needs all columns of the table behind it, so that the
        -- view has the limits to reading.
        FOR item IN
            SELECT g.privilege_type AS privilege, g.grantee::regrole AS grantee,
                   string_agg(quote_ident(a.attname), ', ') AS columns
              FROM pg_attribute a CROSS JOIN aclexplode(a.attacl) g
             WHERE a.attrelid = part.id AND NOT a.attisdropped
             GROUP BY 1, 2
        LOOP
            IF item.privilege = 'SELECT' AND NOT has_table_privilege(item.grantee, part.id, 'SELECT') THEN
                EXECUTE format('REVOKE SELECT ON %I.%I FROM %s', space, part.name, item.grantee);
                EXECUTE format('GRANT SELECT (%s) ON %I.%I TO %s', item.columns, space, part.name, item.grantee);
                EXECUTE format('GRANT SELECT ON public.%I TO %s', part.here, item.grantee);
            ELSIF item.privilege <> 'SELECT' THEN
                EXECUTE format('GRANT %s (%s) ON public.%I TO %s', item.privilege, item.columns, part.here, item.grantee);
            END IF;
        END LOOP;
        IF EXISTS (SELECT FROM pg_policy WHERE polrelid = part.id AND polname = 'tenant') THEN
            EXECUTE format('ALTER POLICY tenant ON public.%1$I USING (%2$s) WITH CHECK (%2$s)',
                           part.here, public.tenant_scope(false));
        END IF;
    END LOOP;

    FOR item IN
        SELECT p.oid AS id, pg_get_function_identity_arguments(p.oid) AS arguments, p.proname AS name,
               pg_get_functiondef(p.oid) AS definition, p.proacl AS acl
          FROM pg_proc p
         WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = 'sessionary_owner'::regrole
           AND p.prosrc NOT LIKE '%organization_external_ids%'
           AND p.proname NOT IN ('find_shard', 'enter_shard', 'attach_shard', 'shard_comment', 'tenant_scope', 'feed_number',
                                 'feed_horizon', 'feed_end', 'isolate_tenant_table', 'find_key_on_node',
                                 'find_token_on_node')
    LOOP
        EXECUTE replace(replace(item.definition, 'public.', space || '.'), '''public''', quote_literal(space));
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I.%I(%s) FROM PUBLIC', space, item.name, item.arguments);
        IF item.acl IS NULL OR item.acl::text LIKE '%sessionary_app=%' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %I.%I(%s) TO sessionary_app, sessionary_system',
                           space, item.name, item.arguments);
        END IF;
    END LOOP;

    EXECUTE format($f$
        CREATE FUNCTION %1$I.feed_number() RETURNS bigint LANGUAGE sql VOLATILE
            AS 'SELECT pg_current_xact_id()::text::bigint + %2$s';
        CREATE FUNCTION %1$I.feed_horizon() RETURNS bigint LANGUAGE sql STABLE
            AS 'SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + %2$s';
        CREATE FUNCTION %1$I.feed_end() RETURNS bigint LANGUAGE sql STABLE
            AS 'SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint + %2$s';
        ALTER VIEW %1$I.session_feed ALTER COLUMN transaction SET DEFAULT pg_current_xact_id()::text::bigint + %2$s;
        $f$, space, base);
    EXECUTE format('COMMENT ON VIEW %I.session_feed IS %L', space, base);
    EXECUTE format('COMMENT ON VIEW %I.organizations IS %L', space, mark);
END $$;

-- The key with this hash, of any organization whose shard is on this node.
CREATE OR REPLACE FUNCTION public.find_key_on_node(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz, allowed_addresses text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    here bigint;
BEGIN
    FOR here IN
        SELECT s.shardid FROM pg_dist_shard s JOIN pg_dist_placement p USING (shardid)
         WHERE s.logicalrelid = 'public.api_key_hashes'::regclass
           AND p.groupid = (SELECT l.groupid FROM pg_dist_local_group l)
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT k.org_id, k.key_id, k.scopes, k.expires_at, k.allowed_addresses FROM public.api_key_hashes_%s k
              WHERE k.key_hash = $1 AND k.revoked_at IS NULL', here) USING wanted;
        IF FOUND THEN RETURN; END IF;
    END LOOP;
END $$;

-- The key of the access token with this hash, with the token's own end.
CREATE OR REPLACE FUNCTION public.find_token_on_node(wanted bytea)
    RETURNS TABLE (org_id uuid, key_id uuid, scopes text[], expires_at timestamptz, allowed_addresses text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    here record;
BEGIN
    FOR here IN
        SELECT k.shardid AS keys, t.shardid AS tokens
          FROM pg_dist_shard k JOIN pg_dist_placement p USING (shardid)
          JOIN pg_dist_shard t ON t.shardminvalue = k.shardminvalue
         WHERE k.logicalrelid = 'public.api_key_hashes'::regclass AND t.logicalrelid = 'public.access_tokens'::regclass
           AND p.groupid = (SELECT l.groupid FROM pg_dist_local_group l)
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT k.org_id, k.key_id, k.scopes, LEAST(t.expires_at, k.expires_at), k.allowed_addresses
               FROM public.access_tokens_%s t JOIN public.api_key_hashes_%s k USING (org_id, key_hash)
              WHERE t.token_hash = $1 AND k.revoked_at IS NULL', here.tokens, here.keys) USING wanted;
        IF FOUND THEN RETURN; END IF;
    END LOOP;
END $$;

REVOKE EXECUTE ON FUNCTION public.shard_comment(bigint, text), public.find_shard(bigint), public.enter_shard(bigint),
    public.attach_shard(bigint), public.find_key_on_node(bytea), public.find_token_on_node(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.find_shard(bigint), public.enter_shard(bigint),
    public.attach_shard(bigint), public.find_key_on_node(bytea), public.find_token_on_node(bytea)
    TO sessionary_app, sessionary_system;
