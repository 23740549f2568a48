-- Where an organization wants to be told what happens to its sessions, and how far along the feed that was written down.
-- Requests have no business here, least of all with the secret: only workers and the command line read it.
CREATE TABLE webhooks (
    org_id           uuid        NOT NULL,
    webhook_id       uuid        NOT NULL,
    url              text        NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    -- whsec_ and base64; every delivery is signed with it, so it is kept as it is
    secret           text        NOT NULL,
    events           text[]      NOT NULL CHECK (cardinality(events) > 0),
    -- whatever the feed has up to here is among the deliveries, or was not asked for
    feed_transaction bigint      NOT NULL,
    feed_place       integer     NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (org_id, webhook_id)
) WITH (fillfactor = 50);
SELECT isolate_tenant_table('webhooks', 'SELECT (org_id)');

-- What is to be delivered, and what became of it.
CREATE TABLE webhook_deliveries (
    org_id          uuid        NOT NULL,
    -- what the message is called on the wire, the same at every attempt
    delivery_id     uuid        NOT NULL,
    webhook_id      uuid        NOT NULL,
    dialect         smallint    NOT NULL,
    session_id      uuid        NOT NULL,
    event           text        NOT NULL CHECK (event IN ('session.created', 'session.ended')),
    -- when its day began: when it was written down, or last resent
    queued_at       timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    -- during an attempt, when that counts as lost; NULL once it is delivered or has failed
    next_attempt_at timestamptz,
    delivered_at    timestamptz,
    failed_at       timestamptz,
    -- what came of the latest attempt
    last_status     smallint,
    last_error      text,
    PRIMARY KEY (org_id, delivery_id),
    CHECK (num_nonnulls(next_attempt_at, delivered_at, failed_at) = 1)
) WITH (fillfactor = 80);
-- What is over takes no part in it, so it stays as small as what is waiting.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (org_id, webhook_id, next_attempt_at)
    WHERE next_attempt_at IS NOT NULL;
-- For whoever sweeps by time. The rows come in the order of their time.
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries USING brin (org_id, queued_at);
SELECT isolate_tenant_table('webhook_deliveries', 'SELECT (org_id)');
