-- Organizations whose sessions of all dialects are followed: only for these do other dialects than agntix write the feed.
CREATE TABLE feed_followers (
    org_id      uuid        NOT NULL,
    -- a webhook, or the nil UUID for all streams
    follower_id uuid        NOT NULL,
    -- NULL: until the row is deleted
    until       timestamptz,
    -- the transaction since which the feed is complete without a pause; NULL while that is found out
    since       bigint,
    PRIMARY KEY (org_id, follower_id)
) WITH (fillfactor = 50);
SELECT isolate_tenant_table('feed_followers', 'SELECT, INSERT, UPDATE, DELETE');

-- The service's own API deletes a session of any dialect: the row at once, the rest by an erasure.
GRANT INSERT ON erasures, erasure_sessions TO sessionary_app;

INSERT INTO migration_compatibility (version, needs) VALUES (41, 28);
