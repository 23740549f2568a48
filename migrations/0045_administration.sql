-- What callers with the scope manage may do to their own organization: bind keys to networks, set the retention and a
-- legal hold, register webhooks. They write the secret of a webhook and never read it.
GRANT UPDATE (responder) ON organizations TO sessionary_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON retention_rules TO sessionary_app;
GRANT SELECT, INSERT, DELETE ON legal_holds TO sessionary_app;

-- What was bound stays so where a release that does not know the networks changes the key.
CREATE FUNCTION bind_api_key(its_org uuid, its_id uuid, its_addresses text[])
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    UPDATE public.api_key_hashes k
       SET allowed_addresses = its_addresses
     WHERE k.org_id = its_org AND k.key_id = its_id AND public.is_in_scope(its_org)
$$;
REVOKE EXECUTE ON FUNCTION bind_api_key(uuid, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bind_api_key(uuid, uuid, text[]) TO sessionary_app, sessionary_system;

ALTER TABLE webhooks
    -- why nothing is delivered: the endpoint's 410 (gone), or the organization's decision (disabled)
    ADD COLUMN disabled_reason       text CHECK (disabled_reason IN ('gone', 'disabled')),
    -- the secret before the last rotation, which deliveries are also signed with until the time
    ADD COLUMN previous_secret       text,
    ADD COLUMN previous_secret_until timestamptz,
    ADD CHECK (num_nonnulls(previous_secret, previous_secret_until) IN (0, 2));
GRANT SELECT (org_id, webhook_id, url, events, feed_transaction, feed_place, created_at, paused_until, disabled_at,
              disabled_reason, previous_secret_until),
    INSERT, DELETE,
    UPDATE (url, events, feed_transaction, feed_place, paused_until, disabled_at, disabled_reason)
    ON webhooks TO sessionary_app;

-- Replaces a webhook's secret; the one before is good until the time. The policy rejects every other organization.
CREATE POLICY append ON webhooks TO sessionary_owner USING (is_in_scope(org_id)) WITH CHECK (is_in_scope(org_id));
CREATE FUNCTION rotate_webhook_secret(its_org uuid, its_id uuid, new_secret text, overlap_until timestamptz)
    RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    UPDATE public.webhooks w
       SET previous_secret = CASE WHEN overlap_until IS NOT NULL THEN w.secret END,
           previous_secret_until = overlap_until,
           secret = new_secret
     WHERE w.org_id = its_org AND w.webhook_id = its_id AND public.is_in_scope(its_org)
$$;
REVOKE EXECUTE ON FUNCTION rotate_webhook_secret(uuid, uuid, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rotate_webhook_secret(uuid, uuid, text, timestamptz) TO sessionary_app, sessionary_system;
-- The list of one endpoint's deliveries, newest first. Unique, because the primary key has the same ids.
CREATE UNIQUE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (org_id, webhook_id, delivery_id);
GRANT SELECT, DELETE,
    UPDATE (queued_at, attempts, next_attempt_at, delivered_at, failed_at, last_status, last_error)
    ON webhook_deliveries TO sessionary_app;

INSERT INTO migration_compatibility (version, needs) VALUES (45, 28);
