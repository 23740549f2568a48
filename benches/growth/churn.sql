-- A day: a tenth of the sessions is renewed twice and half of those end, a tenth is deleted, and as many are new.
UPDATE sessions SET updated_at = updated_at + interval '1 minute', expires_at = expires_at + interval '1 minute'
 WHERE hashint8extended(extract(epoch FROM created_at)::bigint, 1) % 10 = 0;
UPDATE sessions SET updated_at = updated_at + interval '1 minute',
                    ended_at = CASE WHEN hashint8extended(extract(epoch FROM created_at)::bigint, 2) % 2 = 0 THEN updated_at ELSE ended_at END
 WHERE hashint8extended(extract(epoch FROM created_at)::bigint, 1) % 10 = 0;
DELETE FROM sessions WHERE hashint8extended(extract(epoch FROM created_at)::bigint, 1) % 10 = 1;
DELETE FROM session_events e USING session_counters c
 WHERE e.org_id = c.org_id AND e.dialect = c.dialect AND e.session_id = c.session_id
   AND hashint8extended(extract(epoch FROM c.last_at)::bigint, 1) % 10 = 1;
VACUUM sessions;
VACUUM session_events;
INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, kind, user_id, name, metadata, detail, created_at, updated_at, expires_at)
SELECT org_id, dialect, md5(session_id::text || 'again')::uuid, agent_id, public_id, nonce, kind, user_id, name, metadata, detail,
       created_at + interval '1 day', updated_at + interval '1 day', expires_at
  FROM sessions WHERE hashint8extended(extract(epoch FROM created_at)::bigint, 1) % 10 = 2;
VACUUM ANALYZE sessions;
