-- Sessions number $1 to $2 of $3, with what belongs to them, over $4 organizations. The last one began at $5, the first a
-- year before. Half of all belong to the first organization, the others' shares fall off steeply.
--
-- Entries of the feed have negative transactions, which no transaction of Postgres has.
--
-- A new table that grows needs an INSERT here: the growth benchmark and the test of plans both run this.
WITH chance AS MATERIALIZED (
    SELECT n, (1 + n % 5)::smallint AS dialect,
           (hashint8extended(n, 1) & 65535) / 65536.0 AS org, (hashint8extended(n, 2) & 65535) / 65536.0 AS small_org,
           (hashint8extended(n, 3) & 65535) / 65536.0 AS agent, (hashint8extended(n, 4) & 65535) / 65536.0 AS fate,
           (hashint8extended(n, 5) & 65535) / 65536.0 AS word, (hashint8extended(n, 6) & 65535) AS person,
           (hashint8extended(n, 7) & 65535) / 65536.0 AS topic,
           date_trunc('milliseconds', $5::timestamptz - interval '365 days' * (1 - n / $3::float8)) AS at
      FROM generate_series($1::bigint, $2::bigint) AS n
), made AS MATERIALIZED (
    SELECT n, dialect, fate, word, person, topic, at, md5('session' || n)::uuid AS session_id,
           md5('organization' || o)::uuid AS org_id, md5('agent' || o || '.' || floor(50 * agent * agent * agent))::uuid AS agent_id
      FROM (SELECT *, CASE WHEN org < 0.5 THEN 0
                           ELSE 1 + floor(($4::int - 1) * small_org * small_org * small_org)::int END AS o
              FROM chance) placed
), sessions_made AS (
    INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, ended_at, kind, user_id, name, metadata,
                          detail, created_at, updated_at, expires_at)
    SELECT org_id, dialect, session_id, CASE WHEN dialect <> 1 THEN agent_id END,
           CASE WHEN dialect = 5 THEN (1000000 + n)::text ELSE session_id::text END, session_id,
           CASE WHEN dialect IN (2, 3, 5) AND fate < 0.7 THEN at + interval '5 minutes' END,
           CASE dialect WHEN 1 THEN (ARRAY['mcp', 'sdk', 'otel'])[1 + person % 3] WHEN 2 THEN (ARRAY['SDK', 'WEB', 'WHATSAPP', 'VOICE'])[1 + floor(4 * word)::int]
                        WHEN 5 THEN 'agent_voice' END,
           'user-' || person, CASE WHEN dialect = 3 THEN 'Session ' || n END,
           json_build_object('priority', (ARRAY['high', 'low', 'none'])[1 + floor(3 * word)::int], 'ticket', n,
                             'tenant', 't' || person % 1000),
           CASE dialect
               WHEN 1 THEN '{"client_config":"client ' || person % 10 || '"}'
               WHEN 4 THEN '{"channelId":"3c90c3cc-0d44-4b50-8888-8dd25736052a","timeoutConfig":{"timeoutMinutes":30,"autoRenew":true,"maxDurationMinutes":720,"warningThresholdMinutes":5},"lastActivity":1767225600000,"renewalCount":0}'
               WHEN 5 THEN '{"agent_id":1001,"agent_name":"a","language":"en","avatar":null}'
               ELSE '{}'
           END::json,
           at, at, CASE WHEN dialect = 4 THEN at + CASE WHEN fate < 0.7 THEN interval '30 minutes' ELSE interval '14 days' END END
      FROM made
        ON CONFLICT DO NOTHING
), talked AS MATERIALIZED (
    SELECT org_id, dialect, session_id, n, topic, at + number * interval '1 second' AS at, number,
           md5(session_id::text || number)::uuid AS event_id,
           CASE WHEN dialect <> 1 THEN 'message' WHEN number = 1 THEN 'turn' ELSE 'tool' END AS kind,
           CASE WHEN number = 1 THEN 'author' ELSE 'tool' END || n / 5 % 20 AS author
      FROM made, generate_series(1, 2) AS number
     WHERE n % 3 = 0 OR dialect = 1
), counted AS (
    INSERT INTO session_counters (org_id, dialect, session_id, last_number, last_at)
    SELECT org_id, dialect, session_id, number, at FROM talked WHERE number = 2
), events_made AS (
    INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, author_id, content, payload, created_at)
    -- Of the words of a text, the first is in every one, the next in fewer and fewer, and the number in one session's.
    SELECT org_id, dialect, session_id, number, event_id, kind, author,
           'Conversation ' || n || ' about ' || (ARRAY['refunds', 'an invoice', 'opening hours', 'a late delivery', '退款',
               'warranty', 'let total = 0;', 'a lost password', 'shipping', 'cancellation', 'allergies', 'accessibility'
               ])[1 + floor(12 * topic * topic * topic)::int] || ', message ' || number,
           json_build_object('result', 'The result of message ' || number || ' is fine',
                             'metadata', json_build_object('k', n % 100),
                             'checkpoints', CASE WHEN kind = 'tool' THEN
                                 json_build_array(json_build_object('name', 'fetched', 'timestamp', n % 90)) END), at
      FROM talked
), captured AS (
    INSERT INTO captured_events (org_id, event_id, session_id, at, kind, name, success, latency_ms)
    SELECT org_id, event_id, session_id, at, kind, author, n % 250 <> 0, n % 900 FROM talked WHERE dialect = 1
    RETURNING org_id, at, kind, name, success, latency_ms
), totals AS (
    -- As the writers of events do.
    INSERT INTO captured_totals AS t (org_id, daily, bucket, kind, name, shard, events, errors, latency_ms, latency_max)
    SELECT org_id, daily, date_trunc(CASE WHEN daily THEN 'day' ELSE 'hour' END, at, 'UTC'), kind, name,
           (pg_backend_pid() % 32)::smallint, count(*), count(*) FILTER (WHERE NOT success), sum(latency_ms), max(latency_ms)
      FROM captured, (VALUES (false), (true)) AS width (daily)
     GROUP BY 1, 2, 3, 4, 5
     ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (org_id, daily, bucket, kind, name, shard)
        DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                      latency_ms = t.latency_ms + EXCLUDED.latency_ms,
                      latency_max = GREATEST(t.latency_max, EXCLUDED.latency_max)
), traced AS (
    INSERT INTO captured_traces (org_id, trace_id)
    SELECT DISTINCT org_id, session_id FROM talked WHERE dialect = 1
), spanned AS (
    INSERT INTO captured_spans (org_id, event_id, trace_id, started_at, role, replied, has_content, name, form, logs,
                                revision, session_id, kind, shown_name)
    SELECT org_id, event_id, session_id, at, 0, true, true, author, 2, 0, 0, session_id, kind, author
      FROM talked
     WHERE dialect = 1
), fed AS (
    INSERT INTO session_feed (org_id, transaction, place, dialect, session_id, kind, at)
    SELECT org_id, -n, 1, dialect, session_id, 1, at FROM made WHERE dialect = 2 AND n % 4 = 0
), known AS (
    INSERT INTO contacts (org_id, contact_id, external_id, name, created_at, updated_at)
    SELECT org_id, session_id, session_id::text, 'Contact ' || n, at, at FROM made WHERE n % 20 = 0
), delivered AS (
    INSERT INTO webhook_deliveries (org_id, delivery_id, webhook_id, dialect, session_id, event, queued_at, delivered_at)
    SELECT org_id, session_id, org_id, dialect, session_id, 'session.created', at, at FROM made WHERE n % 20 = 1
)
INSERT INTO idempotency_keys (org_id, dialect, target, key, body_hash, seed, arrived_at, holder, leased_until, status,
                              content_type, answer)
SELECT org_id, dialect, sha256('target'), session_id::text, sha256('body'), sha256('seed'), at, session_id, at, 201,
       'application/json', '{}'
  FROM made WHERE n % 10 = 0
