//! What Postgres and the service's own metrics say about the requests.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sessionary::store::Database;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::process::Command;
use uuid::Uuid;

use crate::Failure;
use crate::process::Service;
use crate::tenants::AGENT;

const SUPERUSER: &str = "postgres";
const NAME: &str = "sessionary";
/// The private Postgres has no more connections to spare.
const PGBENCH_CLIENTS: usize = 24;

/// The superuser's connections to the private Postgres.
pub struct Observer {
    pool: PgPool,
    socket: PathBuf,
    port: u16,
}

/// The statements and transactions since the start.
pub struct Statements {
    pub all: i64,
    pub commits: i64,
}

impl Observer {
    pub async fn connect(service: &Service) -> Result<Self, Failure> {
        let (socket, port) = service.socket()?;
        let options = PgConnectOptions::new_without_pgpass().socket(&socket).port(port);
        let options = options.username(SUPERUSER).database(NAME);
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
        Ok(Self { pool, socket, port })
    }

    /// Returns the roles of the service.
    pub fn database(&self) -> Database {
        Database::on_socket(&self.socket, self.port, SUPERUSER, NAME)
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// # Errors
    /// When Postgres may lose what it has committed, because such figures compare with nothing.
    pub async fn require_durability(&self) -> Result<(), Failure> {
        for (setting, statement) in [("fsync", "SHOW fsync"), ("synchronous_commit", "SHOW synchronous_commit")] {
            let value: String = sqlx::query_scalar(statement).fetch_one(&self.pool).await?;
            if value != "on" {
                return Err(format!("{setting} is {value}").into());
            }
        }
        Ok(())
    }

    /// Returns the bytes of write-ahead log since the database was created.
    pub async fn wal(&self) -> Result<i64, Failure> {
        let bytes = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        Ok(sqlx::query_scalar(bytes).fetch_one(&self.pool).await?)
    }

    /// Makes Postgres count statements after its next start. Returns whether it can.
    pub async fn preload_statements(&self) -> Result<bool, Failure> {
        let is_known = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements')";
        if !sqlx::query_scalar(is_known).fetch_one(&self.pool).await? {
            return Ok(false);
        }
        let preload = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'";
        sqlx::query(preload).execute(&self.pool).await?;
        sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").execute(&self.pool).await?;
        Ok(true)
    }

    /// Returns the statements of the role that serves requests.
    pub async fn statements(&self) -> Result<Statements, Failure> {
        let counts = "SELECT COALESCE(sum(calls), 0)::bigint,
                             COALESCE(sum(calls) FILTER (WHERE query = 'COMMIT'), 0)::bigint
                        FROM pg_stat_statements
                       WHERE userid = 'sessionary_app'::regrole";
        let (all, commits) = sqlx::query_as(counts).fetch_one(&self.pool).await?;
        Ok(Statements { all, commits })
    }

    /// Inserts sessions like those of the service with `pgbench -M prepared`, one a transaction. Returns how many a
    /// second, or `None` if there is no pgbench.
    pub async fn pgbench(&self, connections: usize, lasts: Duration, org: Uuid) -> Result<Option<f64>, Failure> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("create.sql");
        std::fs::write(
            &script,
            format!(
                "INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, enabled, metadata, detail,
                                       created_at, updated_at)
                 SELECT '{org}'::uuid, 2, id, '{AGENT}'::uuid, 'ses_' || id, id, true,
                        '{{\"userId\":\"usr_123\",\"locale\":\"en-US\"}}'::json, '{{}}'::json, now(), now()
                   FROM gen_random_uuid() AS id;"
            ),
        )?;
        let programs = ["pgbench", "/usr/lib/postgresql/15/bin/pgbench"];
        for program in programs {
            let output = Command::new(program)
                .args(["-n", "-M", "prepared", "-j", "2", "-h"])
                .arg(&self.socket)
                .args(["-p", &self.port.to_string(), "-U", "sessionary_app"])
                .args(["-c", &connections.min(PGBENCH_CLIENTS).to_string()])
                .args(["-T", &lasts.as_secs().max(1).to_string(), "-f"])
                .arg(&script)
                .arg(NAME)
                .env("PGOPTIONS", format!("-c app.org_ids={{{org}}}"))
                .stderr(Stdio::inherit())
                .output()
                .await;
            let Ok(output) = output else { continue };
            let text = String::from_utf8_lossy(&output.stdout);
            let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
            let rate = rate.and_then(|line| line.split(' ').next()).and_then(|rate| rate.parse().ok());
            return Ok(Some(rate.ok_or("pgbench failed")?));
        }
        Ok(None)
    }
}

/// How many batches the writers have executed, and the requests in them.
#[derive(Default)]
pub struct Batches {
    batches: f64,
    requests: f64,
}

impl Batches {
    pub async fn read(service: &Service) -> Result<Self, Failure> {
        let text = reqwest::get(service.url("/metrics")).await?.text().await?;
        let sum = |name: &str| {
            let values = text.lines().filter(|line| line.starts_with(name));
            values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
        };
        Ok(Self { batches: sum("sessionary_batch_size_count"), requests: sum("sessionary_batch_size_sum") })
    }

    /// Returns the requests of a batch since an earlier time.
    pub fn since(&self, before: &Self) -> f64 {
        let batches = self.batches - before.batches;
        if batches == 0.0 { 0.0 } else { (self.requests - before.requests) / batches }
    }
}
