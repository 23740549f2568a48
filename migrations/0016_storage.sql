-- How many bytes each organization has stored, as far as callers decide it: counted by the replicas as they write, and
-- added here every second. A replica that dies loses what it counted since.
CREATE TABLE organization_storage (
    org_id       uuid   NOT NULL PRIMARY KEY,
    stored_bytes bigint NOT NULL
);
SELECT isolate_tenant_table('organization_storage', 'SELECT, INSERT, UPDATE');

-- How many an organization may store; where it is NULL, the deployment decides.
ALTER TABLE organizations ADD COLUMN storage_quota bigint CHECK (storage_quota > 0);
