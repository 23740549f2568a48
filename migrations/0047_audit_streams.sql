-- How much of each organization's audit log has been sent to the address that the deployment names, if it names one. A
-- table of its own, because the row of audit_heads is locked by those who append.
CREATE TABLE audit_streams (
    org_id   uuid        NOT NULL PRIMARY KEY,
    -- the numbers of the newest entry, and of the newest that was sent
    newest   bigint      NOT NULL,
    sent     bigint      NOT NULL DEFAULT 0,
    -- until when a replica sends, or a failed attempt is not repeated
    busy_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
CREATE INDEX audit_streams_waiting ON audit_streams (org_id) WHERE newest > sent;
SELECT isolate_tenant_table('audit_streams', 'SELECT (org_id)');
CREATE POLICY append ON audit_streams TO sessionary_owner USING (is_in_scope(org_id)) WITH CHECK (is_in_scope(org_id));

-- As in migration 0036, and notes the newest entries at the end.
CREATE OR REPLACE FUNCTION append_audit_entries(orgs uuid[], times timestamptz[], kinds text[], actors text[], issuers text[],
                                     addresses text[], requests text[], actions text[], targets text[],
                                     befores text[], afters text[])
    RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    entry   record;
    org     uuid;
    newest  bigint;
    link    bytea;
    own     bytea;
    moment  timestamptz;
BEGIN
    FOR entry IN
        SELECT new.*
          FROM UNNEST(orgs, times, kinds, actors, issuers, addresses, requests, actions, targets, befores, afters)
               WITH ORDINALITY
            AS new (org_id, at, kind, actor, issuer, address, request, action, target, before, after, place)
         ORDER BY new.org_id, new.place
    LOOP
        IF org IS DISTINCT FROM entry.org_id THEN
            IF org IS NOT NULL THEN
                UPDATE public.audit_heads h SET number = newest, hash = link WHERE h.org_id = org;
            END IF;
            org := entry.org_id;
            INSERT INTO public.audit_heads (org_id, number, hash) VALUES (org, 0, sha256(''))
                ON CONFLICT (org_id) DO NOTHING;
            SELECT h.number, h.hash INTO STRICT newest, link FROM public.audit_heads h WHERE h.org_id = org FOR UPDATE;
        END IF;
        newest := newest + 1;
        moment := COALESCE(entry.at, date_trunc('milliseconds', clock_timestamp()));
        own := sha256(convert_to(
            public.audit_member('sessionary audit 1') || public.audit_member(org::text)
            || public.audit_member(newest::text)
            || public.audit_member(round(extract(epoch FROM moment) * 1000000)::bigint::text)
            || public.audit_member(entry.kind) || public.audit_member(entry.actor)
            || public.audit_member(entry.issuer) || public.audit_member(entry.address)
            || public.audit_member(entry.request) || public.audit_member(entry.action)
            || public.audit_member(entry.target) || public.audit_member(entry.before)
            || public.audit_member(entry.after) || public.audit_member(encode(link, 'hex')), 'UTF8'));
        INSERT INTO public.audit_entries (org_id, number, at, actor_kind, actor, issuer, address, request_id, action,
                                          target, before, after, previous_hash, hash)
        VALUES (org, newest, moment, entry.kind, entry.actor, entry.issuer, entry.address, entry.request, entry.action,
                entry.target, entry.before::json, entry.after::json, link, own);
        link := own;
    END LOOP;
    IF org IS NOT NULL THEN
        UPDATE public.audit_heads h SET number = newest, hash = link WHERE h.org_id = org;
    END IF;
    INSERT INTO public.audit_streams (org_id, newest)
    SELECT h.org_id, h.number FROM public.audit_heads h WHERE h.org_id = ANY (orgs) ORDER BY h.org_id
        ON CONFLICT (org_id) DO UPDATE SET newest = EXCLUDED.newest;
END $$;

-- What was recorded before, because a stream begins with the first entry.
ALTER TABLE audit_heads NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_streams NO FORCE ROW LEVEL SECURITY;
INSERT INTO audit_streams (org_id, newest) SELECT org_id, number FROM audit_heads;
ALTER TABLE audit_heads FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_streams FORCE ROW LEVEL SECURITY;

-- A release that does not know the table goes on working: the function notes its entries.
INSERT INTO migration_compatibility (version, needs) VALUES (47, 28);
