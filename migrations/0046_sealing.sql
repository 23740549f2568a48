-- The key of each organization that seals its secrets, itself sealed under a key of the deployment's settings
-- (SESSIONARY_SEALING_KEYS). A release that does not know it signs no delivery whose secret is sealed; it attempts it
-- again later.
CREATE TABLE data_keys (
    org_id       uuid        NOT NULL PRIMARY KEY,
    -- the id of the deployment's key
    sealed_under text        NOT NULL CHECK (length(sealed_under) BETWEEN 1 AND 32),
    -- nonce, ciphertext and tag
    sealed       bytea       NOT NULL CHECK (octet_length(sealed) = 60),
    created_at   timestamptz NOT NULL
);
SELECT isolate_tenant_table('data_keys', 'SELECT, INSERT');

INSERT INTO migration_compatibility (version, needs) VALUES (46, 28);
