-- Writers add to captured_totals in a shard of their own (0 and up), so that they do not wait for each other. A worker
-- folds the shards of a bucket that is over into one row, shard -1, and in the same transaction adds the same to
-- captured_sums. A window is then read from few rows: folded ones, and the few that are not folded yet. Older binaries
-- add to and read captured_totals as before, because they sum up all shards.
CREATE INDEX captured_totals_unfolded ON captured_totals (org_id, daily, bucket) WHERE shard >= 0;

-- The folded days again, added up in two ways: a row per day and kind without names, and a row per month, kind and
-- name. Whatever is not folded is in captured_totals only.
CREATE TABLE captured_sums (
    org_id      uuid        NOT NULL,
    -- of a month, by name; else of a day, with an empty name
    monthly     boolean     NOT NULL,
    bucket      timestamptz NOT NULL,
    kind        text        NOT NULL,
    name        text        NOT NULL,
    events      bigint      NOT NULL,
    errors      bigint      NOT NULL,
    latency_ms  numeric     NOT NULL,
    latency_max bigint      NOT NULL,
    PRIMARY KEY (org_id, monthly, bucket, kind, name)
) WITH (fillfactor = 70);
SELECT isolate_tenant_table('captured_sums', 'SELECT');

-- A conversation that events implied and that has none is not shown. Until now its counter was looked up to know that;
-- from now on such a session is not enabled, so that conversations are counted without looking at anything else. The
-- owner has no policy on these tables; taking the other role locks nothing that a running binary needs.
SET LOCAL ROLE sessionary_system;
UPDATE sessions s SET enabled = false
 WHERE s.dialect = 1 AND s.enabled AND s.detail->>'implied' = 'true'
   AND NOT EXISTS (SELECT FROM session_counters n
                    WHERE n.org_id = s.org_id AND n.dialect = s.dialect AND n.session_id = s.session_id
                      AND n.last_number > 0);
SET LOCAL ROLE sessionary_owner;
