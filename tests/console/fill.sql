-- Sessions of the demo organization, a second apart: half of them captured, half of the messaging dialect, whose ids are
-- UUIDs. psql -v org=… -v count=…
INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, kind, user_id, name, metadata, detail,
                      created_at, updated_at)
SELECT like_it.org_id, like_it.dialect, id, like_it.agent_id, id::text, gen_random_uuid(), like_it.kind,
       'user-' || n % 5000, 'Session ' || n, '{"plan": "pro"}', like_it.detail, at, at
  FROM (SELECT DISTINCT ON (dialect) * FROM sessions
         WHERE org_id = :'org' AND dialect IN (1, 4) AND ended_at IS NULL
         ORDER BY dialect, created_at) AS like_it
 CROSS JOIN generate_series(1, :count) AS n
 CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id, now() - n * interval '1 second' AS at) AS its
 WHERE n % 2 = (like_it.dialect = 1)::int;
INSERT INTO session_counters (org_id, dialect, session_id, last_number, last_at)
SELECT org_id, dialect, session_id, 0, created_at FROM sessions
 WHERE org_id = :'org' AND dialect IN (1, 4) ON CONFLICT DO NOTHING;
ANALYZE sessions;
