-- What an organization used, by day: sessions created, events appended, requests. Replicas add to it every second.
CREATE TABLE usage_days (
    org_id   uuid     NOT NULL,
    -- in UTC
    day      date     NOT NULL,
    dialect  smallint NOT NULL,
    -- the nil UUID where there is none, or where an organization used too many on one day to count each
    agent_id uuid     NOT NULL,
    key_id   uuid     NOT NULL,
    sessions bigint   NOT NULL,
    events   bigint   NOT NULL,
    requests bigint   NOT NULL,
    PRIMARY KEY (org_id, day, dialect, agent_id, key_id)
) WITH (fillfactor = 70);
SELECT isolate_tenant_table('usage_days', 'SELECT, INSERT, UPDATE');

INSERT INTO migration_compatibility (version, needs) VALUES (38, 28);
