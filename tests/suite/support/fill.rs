//! Tables with many rows.

use sessionary::domain::{AgentId, DialectName};

use super::{AGENT_ID, TestApp, connection_of, start};

impl TestApp {
    /// Adds `count` sessions of the example agent, a second apart, the oldest first. Every tenth has ended.
    #[expect(clippy::disallowed_methods, reason = "as many requests would take minutes")]
    pub async fn fill_sessions(&self, dialect: DialectName, count: i32) {
        let detail = match dialect {
            DialectName::IntegerId => r#"{"agent_id":123,"agent_name":"a","language":"en","avatar":null}"#,
            _ => "{}",
        };
        let agent: AgentId = AGENT_ID.parse().expect("a UUID");
        let mut system = connection_of(self.org).await;
        let filled = sqlx::query(
            "INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, kind, detail, created_at,
                                   updated_at, ended_at)
             SELECT $1, $2, gen_random_uuid(), $3, n::text, gen_random_uuid(), 'SDK', $4::json, at, at,
                    CASE WHEN n % 10 = 0 THEN at END
               FROM generate_series(1, $5) AS n, LATERAL (SELECT $6 + n * interval '1 second' AS at) AS time",
        )
        .bind(self.org)
        .bind(dialect.code())
        .bind(agent)
        .bind(detail)
        .bind(count)
        .bind(start())
        .execute(&mut system)
        .await
        .expect("sessions");
        assert_eq!(filled.rows_affected(), u64::try_from(count).expect("a count"));
    }

    /// Adds `count` avatars, a second apart, the oldest first. None of them is public.
    #[expect(clippy::disallowed_methods, reason = "as many requests would take minutes")]
    pub async fn fill_avatars(&self, count: i32) {
        let mut system = connection_of(self.org).await;
        sqlx::query(
            "INSERT INTO avatars (org_id, number, name, url, created_at, updated_at)
             SELECT $1, 1000000 + n, 'filled', 'https://a.example/x', at, at
               FROM generate_series(1, $2) AS n, LATERAL (SELECT $3 + n * interval '1 second' AS at) AS time",
        )
        .bind(self.org)
        .bind(count)
        .bind(start())
        .execute(&mut system)
        .await
        .expect("avatars");
    }

    /// Adds `count` unused keys, as many revoked ones, and as many expired ones.
    #[expect(clippy::disallowed_methods, reason = "as many requests would take minutes")]
    pub async fn fill_keys(&self, count: i32) {
        let mut system = connection_of(self.org).await;
        sqlx::query(
            "WITH made AS (INSERT INTO api_keys (org_id, key_id, name, prefix, created_at)
                           SELECT $1, gen_random_uuid(), 'filled', 'x', $3 FROM generate_series(1, 3 * $2)
                           RETURNING org_id, key_id),
                  counted AS (SELECT org_id, key_id, row_number() OVER () % 3 AS kind FROM made)
             INSERT INTO api_key_hashes (key_hash, org_id, key_id, scopes, expires_at, revoked_at)
             SELECT sha256(key_id::text::bytea), org_id, key_id, '{}', CASE WHEN kind = 1 THEN $3 END,
                    CASE WHEN kind = 2 THEN $3 END
               FROM counted",
        )
        .bind(self.org)
        .bind(count)
        .bind(start())
        .execute(&mut system)
        .await
        .expect("keys");
    }

    /// Adds `count` images of avatars that do not exist.
    #[expect(clippy::disallowed_methods, reason = "as many requests would take minutes")]
    pub async fn fill_images(&self, count: i32) {
        let mut system = connection_of(self.org).await;
        sqlx::query(
            "INSERT INTO avatar_images (org_id, image_id, avatar_number, bytes, created_at)
             SELECT $1, gen_random_uuid(), 1000000 + n, 'x', $3 FROM generate_series(1, $2) AS n",
        )
        .bind(self.org)
        .bind(count)
        .bind(start())
        .execute(&mut system)
        .await
        .expect("images");
    }

    /// Returns how many images the organization has.
    #[expect(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]
    pub async fn images(&self) -> i64 {
        let mut system = connection_of(self.org).await;
        let count = sqlx::query_scalar("SELECT count(*) FROM avatar_images WHERE org_id = $1").bind(self.org);
        count.fetch_one(&mut system).await.expect("a count")
    }
}
