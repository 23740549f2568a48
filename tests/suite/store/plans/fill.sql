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
INSERT INTO console_logins (org_id, login_hash, issuer, scopes, expires_at)
SELECT org_id, sha256(convert_to(org_id::text || n, 'UTF8')), 'console', '{}', created_at + n * interval '1 s'
  FROM organizations, generate_series(1, 100) AS n;
INSERT INTO console_links (org_id, link_hash, expires_at) SELECT org_id, sha256(''), created_at FROM organizations;
INSERT INTO audit_heads (org_id, number, hash) SELECT org_id, 100, '' FROM organizations;
INSERT INTO audit_streams (org_id, newest, sent) SELECT org_id, 100, CASE WHEN random() < 0.9 THEN 100 ELSE 0 END FROM organizations;
INSERT INTO usage_days (org_id, day, dialect, agent_id, key_id, sessions, events, requests, errors)
SELECT org_id, created_at::date + day, 1, md5(n::text)::uuid, md5(n::text)::uuid, 1, 1, 1, 1
  FROM organizations, generate_series(1, 40) AS day, generate_series(1, 10) AS n;
INSERT INTO api_keys (org_id, key_id, name, prefix, created_at)
SELECT org_id, md5(org_id::text || 'key' || n)::uuid, 'key', 'pk_live', created_at FROM organizations, generate_series(1, 50) AS n;
INSERT INTO api_key_hashes (key_hash, org_id, key_id, scopes, expires_at, revoked_at)
SELECT sha256(key_id::text::bytea), org_id, key_id, '{}', created_at, CASE WHEN key_id::text LIKE '%7' THEN created_at END
  FROM api_keys;
INSERT INTO access_tokens (token_hash, key_hash, expires_at)
SELECT sha256(key_hash || n::text::bytea), key_hash, now() FROM api_key_hashes, generate_series(1, 3) AS n;
INSERT INTO session_aliases (org_id, dialect, session_id, user_id)
SELECT org_id, dialect, session_id, 'alias-' || user_id FROM sessions WHERE public_id LIKE '%7%';
INSERT INTO feed_followers (org_id, follower_id, until) SELECT org_id, org_id, NULL FROM organizations LIMIT 3;
INSERT INTO session_expiries (org_id, dialect, session_id, due_at)
SELECT org_id, dialect, session_id, created_at FROM sessions WHERE public_id LIKE '%7%';
