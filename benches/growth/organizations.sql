-- $1 organizations of 50 agents each, which began at $2.
WITH made AS (
    INSERT INTO organizations (org_id, name, responder, created_at)
    SELECT md5('organization' || o)::uuid, 'Organization ' || o, '{"kind":"none"}', $2::timestamptz
      FROM generate_series(0, $1::int - 1) AS o
    RETURNING org_id
), worn AS (
    INSERT INTO avatars (org_id, number, name, url, created_at, updated_at)
    SELECT org_id, number, 'Avatar ' || number, 'https://a.example/x', $2, $2 FROM made, generate_series(1, 5) AS number
), keyed AS (
    INSERT INTO api_keys (org_id, key_id, name, prefix, created_at)
    SELECT org_id, md5(org_id::text || number)::uuid, 'key', 'pk', $2 FROM made, generate_series(1, 5) AS number
), used AS (
    INSERT INTO agent_usage (org_id, agent_id, shard, started, ended, seconds, last_used_at)
    SELECT org_id, md5(org_id::text || number)::uuid, 1, 1, 1, 1, $2 FROM made, generate_series(1, 20) AS number
)
INSERT INTO agents (org_id, agent_id, key, number, name, created_at, updated_at)
SELECT md5('organization' || o)::uuid, md5('agent' || o || '.' || a)::uuid, 'agent_' || a, 1000 + a, 'Agent ' || a,
       $2::timestamptz + a * interval '1 second', $2
  FROM generate_series(0, $1::int - 1) AS o, generate_series(0, 49) AS a
