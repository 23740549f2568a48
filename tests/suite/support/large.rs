//! Rows of a mebibyte each.

use sessionary::domain::DialectName;

use super::{DATABASE, TestApp, connection, start};

/// Bytes of a large value.
pub const LARGE: i32 = 1 << 20;

impl TestApp {
    /// Appends `count` large events to the session with this public id: a large content, and a payload in which `LARGE`
    /// stands for a large text.
    pub async fn fill_events(&self, session: &str, kind: &str, payload: &str, count: i32) {
        self.fill_sized_events(session, (kind, payload), count, LARGE).await;
    }

    /// Appends events like [`fill_events`](Self::fill_events), of another size.
    #[expect(clippy::disallowed_methods, reason = "as many requests would take minutes")]
    pub async fn fill_sized_events(&self, session: &str, (kind, payload): (&str, &str), count: i32, bytes: i32) {
        let row = self.session_called(session).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        sqlx::query(
            "WITH counted AS (
                 INSERT INTO session_counters (org_id, dialect, session_id, last_number, last_at)
                 VALUES ($1, $2, $3, $7, $8::timestamptz + interval '1 minute')
                     ON CONFLICT (org_id, dialect, session_id) DO UPDATE SET last_number = $7
             ), events AS (
                 INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, author_id, content,
                                             payload, created_at)
                 SELECT $1, $2, $3, n, gen_random_uuid(), $4, CASE WHEN $2 = 1 THEN 'large' END,
                        CASE WHEN $2 <> 1 THEN repeat('x', $6) END, replace($5, 'LARGE', repeat('y', $6))::json,
                        $8 + n * interval '1 millisecond'
                   FROM generate_series(1, $7) AS n
                 RETURNING *
             )
             INSERT INTO captured_events (org_id, event_id, session_id, at, kind, name, success, latency_ms)
             SELECT org_id, event_id, session_id, created_at, kind, 'large', false, 1 FROM events WHERE dialect = 1",
        )
        .bind(self.org)
        .bind(row.dialect)
        .bind(row.session_id)
        .bind(kind)
        .bind(payload)
        .bind(bytes)
        .bind(count)
        .bind(start())
        .execute(&mut system)
        .await
        .expect("events");
    }

    /// Makes the metadata of all sessions of a dialect large, and their descriptions long.
    #[expect(clippy::disallowed_methods, reason = "as large requests are refused")]
    pub async fn swell_sessions(&self, dialect: DialectName) {
        let mut system = connection("sessionary_system", DATABASE).await;
        sqlx::query(
            "UPDATE sessions SET metadata = json_build_object('x', repeat('x', $3)), description = repeat('d', 100000)
              WHERE org_id = $1 AND dialect = $2",
        )
        .bind(self.org)
        .bind(dialect.code())
        .bind(LARGE)
        .execute(&mut system)
        .await
        .expect("sessions");
    }

    /// Makes the data of the organization's contacts, agents, avatars, keys and charts large.
    #[expect(clippy::disallowed_methods, reason = "as large requests are refused")]
    pub async fn swell_others(&self) {
        let mut system = connection("sessionary_system", DATABASE).await;
        for statement in [
            "UPDATE contacts SET metadata = json_build_object('x', repeat('x', $2)) WHERE org_id = $1",
            "UPDATE agents SET description = repeat('x', $2) WHERE org_id = $1",
            "UPDATE avatars SET url = repeat('x', $2) WHERE org_id = $1",
            "UPDATE api_keys SET metadata = json_build_object('x', repeat('x', $2)) WHERE org_id = $1",
            "UPDATE dashboard_charts SET settings = json_build_object('x', repeat('x', $2)) WHERE org_id = $1",
        ] {
            sqlx::query(statement).bind(self.org).bind(LARGE).execute(&mut system).await.expect("rows");
        }
    }

    /// Gives all events of the organization names of this many bytes.
    #[expect(clippy::disallowed_methods, reason = "as large requests would take minutes")]
    pub async fn name_events(&self, bytes: i32) {
        let mut system = connection("sessionary_system", DATABASE).await;
        let named = sqlx::query("UPDATE session_events SET author_id = repeat('n', $2) WHERE org_id = $1");
        named.bind(self.org).bind(bytes).execute(&mut system).await.expect("events");
    }

    /// Adds all events of a session to the feed.
    #[expect(clippy::disallowed_methods, reason = "the events were not appended by the service")]
    pub async fn tell_of_events(&self, session: &str) {
        let row = self.session_called(session).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        sqlx::query(
            "INSERT INTO session_feed (org_id, place, dialect, session_id, kind, event_number, at)
             SELECT org_id, number, dialect, session_id, 4, number, created_at FROM session_events
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3",
        )
        .bind(self.org)
        .bind(row.dialect)
        .bind(row.session_id)
        .execute(&mut system)
        .await
        .expect("entries");
    }

    /// Gives the last `count` events of a session payloads of a mebibyte that cannot be compressed.
    #[expect(clippy::disallowed_methods, reason = "as large requests would take minutes")]
    pub async fn scramble_events(&self, session: &str, count: i32) {
        let row = self.session_called(session).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        sqlx::query(
            "UPDATE session_events
                SET payload = (SELECT json_build_object('x', string_agg(md5(number::text || n), ''))
                                 FROM generate_series(1, $4 / 32) AS n)
              WHERE org_id = $1 AND session_id = $2 AND number > (SELECT last_number FROM session_counters
                                                                   WHERE org_id = $1 AND session_id = $2) - $3",
        )
        .bind(self.org)
        .bind(row.session_id)
        .bind(count)
        .bind(LARGE)
        .execute(&mut system)
        .await
        .expect("events");
    }
}
