-- What workers write: blocks of the search index, sessions that are to be erased, and erasures. What administrators do.
INSERT INTO captured_blocks (org_id, block, size, oldest, newest, entries)
SELECT org_id, md5(org_id::text || n)::uuid, 8192, created_at, created_at, '' FROM organizations, generate_series(1, 20) AS n;
INSERT INTO captured_grams (org_id, block, bucket, lists)
SELECT org_id, block, bucket, 'x' FROM captured_blocks, generate_series(1, 40) AS bucket;
INSERT INTO captured_pending (org_id, pending, size, oldest, newest, entries, grams)
SELECT org_id, block, 1, oldest, newest, '', '' FROM captured_blocks;
INSERT INTO session_erasures (org_id, dialect, session_id, requested_at, due_at)
SELECT org_id, dialect, session_id, created_at, created_at FROM sessions WHERE public_id LIKE '%7%';
INSERT INTO erasures (org_id, erasure_id, scope, requested_at, step, due_at, done_at)
SELECT org_id, md5(org_id::text || n)::uuid, 4, created_at, '{}', CASE WHEN n % 10 = 0 THEN created_at END,
       CASE WHEN n % 10 > 0 THEN created_at END
  FROM organizations, generate_series(1, 100) AS n;
INSERT INTO erasure_sessions (org_id, erasure_id, dialect, session_id)
SELECT org_id, md5(org_id::text || 10)::uuid, dialect, session_id FROM sessions WHERE public_id LIKE '%7%';
INSERT INTO audit_entries (org_id, number, at, actor_kind, action, target, previous_hash, hash)
SELECT org_id, n, created_at + n * interval '1 s', 'service', 'action.' || n % 20, 'session/messaging/x', '', ''
  FROM organizations, generate_series(1, 100) AS n;
INSERT INTO audit_heads (org_id, number, hash) SELECT org_id, 100, '' FROM organizations;
INSERT INTO feed_followers (org_id, follower_id, until) SELECT org_id, org_id, NULL FROM organizations LIMIT 3;
