-- Logins of the console: the hash of each cookie, and what it stands for. The cookie names its organization, so that a
-- login is found within it.
CREATE TABLE console_logins (
    org_id     uuid        NOT NULL,
    login_hash bytea       NOT NULL CHECK (length(login_hash) = 32),
    -- of the API key that it was made with, and that it ends with; NULL for a token or a one-time link
    key_hash   bytea       CHECK (length(key_hash) = 32),
    -- of a token, which has its scopes until it ends; with a key, its own scopes count
    subject    text        CHECK (length(subject) <= 512),
    issuer     text        CHECK (length(issuer) <= 512),
    scopes     text[]      NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, login_hash),
    CHECK (num_nonnulls(key_hash, issuer) = 1)
);
CREATE INDEX console_logins_by_end ON console_logins (org_id, expires_at);
SELECT isolate_tenant_table('console_logins', 'SELECT, INSERT, DELETE');

-- The last one-time link of an organization, used or not: with it, a start knows whether it is the first.
CREATE TABLE console_links (
    org_id     uuid        NOT NULL PRIMARY KEY,
    link_hash  bytea       NOT NULL CHECK (length(link_hash) = 32),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
SELECT isolate_tenant_table('console_links', 'SELECT, UPDATE');

INSERT INTO migration_compatibility (version, needs) VALUES (43, 28);
