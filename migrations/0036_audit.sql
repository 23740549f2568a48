-- The audit log: one row per administrative or destructive act, written in the transaction of the act. Each row has the
-- SHA-256 of its content and of the row before it, so that a row that is changed or missing shows.
CREATE TABLE audit_entries (
    org_id        uuid        NOT NULL,
    -- from 1, without gaps
    number        bigint      NOT NULL,
    at            timestamptz NOT NULL,
    -- api_key, token, command_line, organization_header, anonymous or service
    actor_kind    text        NOT NULL,
    -- the id of the key, the subject of the token, the user of the command line
    actor         text        CHECK (length(actor) <= 512),
    issuer        text        CHECK (length(issuer) <= 512),
    address       text        CHECK (length(address) <= 64),
    request_id    text        CHECK (length(request_id) <= 128),
    action        text        NOT NULL CHECK (length(action) <= 64),
    target        text        NOT NULL CHECK (length(target) <= 200),
    before        json        CHECK (octet_length(before::text) <= 8192),
    after         json        CHECK (octet_length(after::text) <= 8192),
    previous_hash bytea       NOT NULL,
    hash          bytea       NOT NULL,
    PRIMARY KEY (org_id, number)
);
CREATE INDEX audit_entries_by_time ON audit_entries (org_id, at, number);
CREATE INDEX audit_entries_by_action ON audit_entries (org_id, action, at, number);
SELECT isolate_tenant_table('audit_entries', 'SELECT');

-- The newest entry of each organization. Its row is locked by the transaction that appends the next one.
CREATE TABLE audit_heads (
    org_id uuid   NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    hash   bytea  NOT NULL
) WITH (fillfactor = 50);
SELECT isolate_tenant_table('audit_heads', 'SELECT');

-- No role writes them but through the function below, and none changes or deletes an entry.
REVOKE INSERT, UPDATE, DELETE ON audit_entries, audit_heads FROM sessionary_system;
CREATE POLICY append ON audit_entries FOR INSERT TO sessionary_owner WITH CHECK (is_in_scope(org_id));
CREATE POLICY append ON audit_heads TO sessionary_owner USING (is_in_scope(org_id)) WITH CHECK (is_in_scope(org_id));

-- A member of what is hashed: its length in bytes and the member, so that no two lists of members are the same text.
-- Without a search path of its own, so that Postgres inlines it; the function below sets one.
CREATE FUNCTION audit_member(member text) RETURNS text
    LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN member IS NULL THEN '-;' ELSE octet_length(member)::text || ':' || member || ';' END
$$;

-- Appends entries to the logs of the organizations in app.org_ids. It waits for the other appends of each organization,
-- in the order of their ids, until the end of their transactions; a transaction therefore calls it once and last.
CREATE FUNCTION append_audit_entries(orgs uuid[], times timestamptz[], kinds text[], actors text[], issuers text[],
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
END $$;

REVOKE EXECUTE ON FUNCTION audit_member(text), append_audit_entries(uuid[], timestamptz[], text[], text[], text[],
    text[], text[], text[], text[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_audit_entries(uuid[], timestamptz[], text[], text[], text[], text[], text[], text[],
    text[], text[], text[]) TO sessionary_app, sessionary_system;

-- A release that does not know the log goes on working; what it does is not in the log.
INSERT INTO migration_compatibility (version, needs) VALUES (36, 28);
