-- What a create that came with an Idempotency-Key was answered, and until then who is at work on it. A row counts for
-- 24 hours.
CREATE TABLE idempotency_keys (
    org_id       uuid        NOT NULL,
    dialect      smallint    NOT NULL,
    -- SHA-256 of method and path, which have no limit of their own
    target       bytea       NOT NULL CHECK (length(target) = 32),
    key          text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256 of the body as it was sent
    body_hash    bytea       NOT NULL CHECK (length(body_hash) = 32),
    -- where the request's ids and nonces are drawn from: whoever does it again draws the same
    seed         bytea       NOT NULL CHECK (length(seed) = 32),
    -- the integers drawn for the request, each at the place of its series
    numbers      bigint[]    NOT NULL DEFAULT '{}',
    arrived_at   timestamptz NOT NULL,
    holder       uuid        NOT NULL,
    leased_until timestamptz NOT NULL,
    -- the answer, once there is one
    status       smallint    CHECK (status BETWEEN 200 AND 299),
    content_type text        CHECK (length(content_type) <= 255),
    answer       bytea       CHECK (length(answer) <= 4194304),
    PRIMARY KEY (org_id, dialect, target, key),
    CHECK ((status IS NULL) = (answer IS NULL))
);
-- For whoever sweeps by time. The rows come in the order of their time, and a BRIN index costs their writers nothing.
CREATE INDEX idempotency_keys_by_time ON idempotency_keys USING brin (org_id, arrived_at);
SELECT isolate_tenant_table('idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE');
