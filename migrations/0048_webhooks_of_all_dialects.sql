-- Webhooks for the sessions of all dialects, and for messages and expiries.
ALTER TABLE webhooks
    -- Whose sessions' events are sent. The default is that of endpoints from before, and of releases that do not know it.
    ADD COLUMN dialects smallint[] NOT NULL DEFAULT '{2}' CHECK (cardinality(dialects) > 0),
    -- Expiries after this time are sent; NULL while the endpoint receives none.
    ADD COLUMN expiries_since timestamptz,
    -- Which sessions have to be looked at, because they were there before the endpoint: those of this dialect after this
    -- id, once every transaction before this one has ended. NULL: none; no transaction while that is found out.
    ADD COLUMN expiry_scan_dialect smallint,
    ADD COLUMN expiry_scan_session uuid,
    ADD COLUMN expiry_scan_after bigint,
    ADD CHECK (num_nonnulls(expiry_scan_dialect, expiry_scan_session) IN (0, 2));
GRANT SELECT (dialects, expiries_since, expiry_scan_dialect, expiry_scan_session, expiry_scan_after),
    UPDATE (dialects, expiries_since, expiry_scan_dialect, expiry_scan_session, expiry_scan_after)
    ON webhooks TO sessionary_app;

-- The message of message.created.
ALTER TABLE webhook_deliveries
    ADD COLUMN event_number bigint,
    DROP CONSTRAINT webhook_deliveries_event_check,
    ADD CONSTRAINT webhook_deliveries_event_check
        CHECK (event IN ('session.created', 'session.ended', 'session.expired', 'message.created')),
    ADD CHECK ((event = 'message.created') = (event_number IS NOT NULL));

-- 5: the session has expired. The rows that are there are of the kinds before, so that they need no look.
ALTER TABLE session_feed
    DROP CONSTRAINT session_feed_kind_check,
    ADD CONSTRAINT session_feed_kind_check CHECK (kind BETWEEN 1 AND 5) NOT VALID;

-- The expires_at whose passing has been written to the feed, so that it is written once.
ALTER TABLE sessions ADD COLUMN expiry_sent_for timestamptz;

-- When a session has to be looked at, because it expires then unless it has been used. Only organizations with an
-- endpoint that receives session.expired have rows. An index of sessions by their expiry would be written with every
-- message of every organization.
CREATE TABLE session_expiries (
    org_id     uuid        NOT NULL,
    dialect    smallint    NOT NULL,
    session_id uuid        NOT NULL,
    due_at     timestamptz NOT NULL,
    PRIMARY KEY (org_id, dialect, session_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
        autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 1000);
CREATE INDEX session_expiries_due ON session_expiries (org_id, due_at);
SELECT isolate_tenant_table('session_expiries', 'SELECT (org_id)');

-- A release that does not know the columns passes over what is new in the feed, and sends session.created and
-- session.ended of all dialects in the form of agntix. Endpoints from before receive neither.
INSERT INTO migration_compatibility (version, needs) VALUES (48, 28);
