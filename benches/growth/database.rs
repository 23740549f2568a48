//! The database, the service, and the cost of a request.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use sessionary::auth::Authenticator;
use sessionary::conversation::{Conversations, GRACE};
use sessionary::domain::{ApiKey, Clock, KeyId, KeyPrefix, Mint, OrgId, Scopes};
use sessionary::embedded_postgres::EmbeddedPostgres;
use sessionary::http::RateLimiter;
use sessionary::responders::{Responders, RespondersSettings};
use sessionary::store::admin::{AdminStore, NewKey};
use sessionary::store::{Database, Store, StoreSettings, provision};
use sessionary::workers::captures;
use sessionary::{Deployment, build_app};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use super::reads::Read;
use super::{Failure, ORGANIZATIONS, setting};

const NAME: &str = "sessionary";
/// Sessions that one statement loads.
const CHUNK: i64 = 50_000;
/// Connections that load at once.
const LOADERS: i64 = 2;

pub struct Bench {
    postgres: EmbeddedPostgres,
    /// The server's log.
    pub log: PathBuf,
    /// The superuser's connections.
    pub pool: PgPool,
    pub store: Store,
    pub admin: AdminStore,
    pub router: Router,
    /// The largest organization, and its key.
    pub org: OrgId,
    pub key: String,
    pub clock: Clock,
    pub mint: Mint,
}

/// The cost of a request for the database.
#[derive(Clone, Copy)]
pub struct Cost {
    milliseconds: f64,
    pages: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:>9.2} {:>9.0}", self.milliseconds, self.pages))
    }
}

impl Bench {
    pub async fn start(folder: &Path) -> Result<Self, Failure> {
        let mut postgres = EmbeddedPostgres::start(folder).await?;
        let connect = |postgres: &EmbeddedPostgres, name: &str| {
            let location = postgres.location();
            let options = PgConnectOptions::new_without_pgpass().socket(&location.socket_dir).port(location.port);
            PgPoolOptions::new().max_connections(4).connect_with(options.username(&location.superuser).database(name))
        };
        let pool = connect(&postgres, "postgres").await?;
        let preloaded: String = sqlx::query_scalar("SHOW shared_preload_libraries").fetch_one(&pool).await?;
        if preloaded.is_empty() {
            let libraries = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements', 'auto_explain'";
            sqlx::query(libraries).execute(&pool).await?;
            pool.close().await;
            postgres.stop().await?;
            postgres = EmbeddedPostgres::start(folder).await?;
        }
        let log = postgres.relocated_to().unwrap_or(folder).join("postgres.log");
        let location = postgres.location();
        let database = Database::on_socket(&location.socket_dir, location.port, &location.superuser, NAME);
        provision(&database).await?;
        let pool = connect(&postgres, NAME).await?;
        for extension in ["pg_stat_statements", "pgstattuple"] {
            sqlx::query(sqlx::AssertSqlSafe(format!("CREATE EXTENSION IF NOT EXISTS {extension}")))
                .execute(&pool)
                .await?;
        }
        let store = Store::connect(&database, StoreSettings::default()).await?;
        let admin = AdminStore::connect(&database).await?;
        let (clock, mint) = (Clock::system(), Mint::system());
        let stop = CancellationToken::new();
        let authenticator = Authenticator {
            store: store.clone(),
            clock: clock.clone(),
            mint: mint.clone(),
            limiter: RateLimiter::new(false, clock.clone()),
            jwt: None,
            provisioning: None,
            trusted_proxies: Vec::new(),
            default_org: None,
        };
        let responders = Responders::new(RespondersSettings::default())?;
        let conversations = Conversations::new(responders, clock.clone(), stop, GRACE);
        let router = Router::new().fallback_service(build_app(Deployment::new(Arc::new(authenticator), conversations)));
        let org = OrgId(sqlx::query_scalar("SELECT md5('organization0')::uuid").fetch_one(&pool).await?);
        let mut bench = Self { postgres, log, pool, store, admin, router, org, key: String::new(), clock, mint };
        bench.make_organizations().await?;
        Ok(bench)
    }

    async fn make_organizations(&mut self) -> Result<(), Failure> {
        if self.sessions().await? == 0 {
            sqlx::query(include_str!("organizations.sql"))
                .bind(ORGANIZATIONS)
                .bind(self.clock.now() - chrono::TimeDelta::days(400))
                .execute(&self.pool)
                .await?;
        }
        let prefix = KeyPrefix::default();
        let key = ApiKey::generate(&prefix, &self.mint);
        let new = NewKey {
            id: KeyId(self.mint.uuid()),
            org: self.org,
            name: "growth",
            prefix: &prefix,
            key: &key,
            scopes: Scopes::EVERY,
            created_at: self.clock.now(),
            expires_at: None,
            allowed_addresses: None,
        };
        self.admin.create_key(&new).await?;
        self.key = key.expose().to_owned();
        Ok(())
    }

    pub async fn sessions(&self) -> Result<i64, Failure> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&self.pool).await?)
    }

    /// Loads sessions until there are `count` of a table that will have `total`.
    pub async fn load(&self, count: i64, total: i64) -> Result<(), Failure> {
        let (began, loaded, until) = (Instant::now(), self.sessions().await?, self.clock.now());
        let mut loaders = tokio::task::JoinSet::new();
        for loader in 0..LOADERS {
            let pool = self.pool.clone();
            loaders.spawn(async move {
                let mut first = loaded + 1 + loader * CHUNK;
                while first <= count {
                    let last = (first + CHUNK - 1).min(count);
                    sqlx::query(include_str!("load.sql"))
                        .bind(first)
                        .bind(last)
                        .bind(if count == total { total } else { count })
                        .bind(ORGANIZATIONS)
                        .bind(until)
                        .execute(&pool)
                        .await?;
                    first += LOADERS * CHUNK;
                }
                Ok::<(), sqlx::Error>(())
            });
        }
        while let Some(loader) = loaders.join_next().await {
            loader??;
        }
        let loaded_in = began.elapsed();
        // The workers' steps for captured events.
        captures::fold_totals(&self.admin, until).await?;
        captures::note_backlog(&self.admin).await?;
        captures::index(&self.admin).await?;
        let indexed_in = began.elapsed() - loaded_in;
        sqlx::query("VACUUM ANALYZE").execute(&self.pool).await?;
        println!(
            "{count} sessions: loaded in {:.0} s, events summed up and indexed in {:.0} s, vacuumed and analyzed in {:.0} s",
            loaded_in.as_secs_f64(),
            indexed_in.as_secs_f64(),
            (began.elapsed() - loaded_in - indexed_in).as_secs_f64()
        );
        let index: (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM captured_events),
                    (pg_total_relation_size('captured_blocks') + pg_total_relation_size('captured_grams')
                     + pg_total_relation_size('captured_pending'))::bigint,
                    pg_total_relation_size('session_events')",
        )
        .fetch_one(&self.pool)
        .await?;
        let mib = |bytes: i64| bytes as f64 / 1_048_576.0;
        println!(
            "{} captured events, whose search index has {:.0} MiB; events of all sessions have {:.0} MiB",
            index.0,
            mib(index.1),
            mib(index.2)
        );
        Ok(())
    }

    /// Sends a request of the largest organization. Returns the response's body.
    pub async fn send(&self, method: &str, path: &str, body: &str) -> Result<String, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-api-key", &self.key)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let body = String::from_utf8(response.into_body().collect().await?.to_bytes().into())?;
        if status.is_success() { Ok(body) } else { Err(format!("{method} {path}: {status} {body}").into()) }
    }

    /// Sends a request repeatedly, after once to warm up, and returns its average cost.
    pub async fn cost(&self, read: &Read) -> Result<Cost, Failure> {
        let times = setting("BENCH_REQUESTS", 30);
        self.send(read.method, &read.path, &read.body).await?;
        sqlx::query("SELECT pg_stat_statements_reset()").execute(&self.pool).await?;
        for _ in 0..times {
            self.send(read.method, &read.path, &read.body).await?;
        }
        let row = sqlx::query(
            "SELECT COALESCE(sum(total_exec_time), 0)::float8,
                    COALESCE(sum(shared_blks_hit + shared_blks_read), 0)::float8
               FROM pg_stat_statements WHERE userid = 'sessionary_app'::regrole",
        )
        .fetch_one(&self.pool)
        .await?;
        let times = times as f64;
        Ok(Cost { milliseconds: row.get::<f64, _>(0) / times, pages: row.get::<f64, _>(1) / times })
    }

    pub async fn stop(self) -> Result<(), Failure> {
        self.admin.close().await;
        self.store.close().await;
        self.pool.close().await;
        Ok(self.postgres.stop().await?)
    }

    /// Returns the id of an agent of the largest organization: agent 0 has the most sessions, agent 49 the fewest.
    pub async fn agent(&self, number: i32) -> Result<Uuid, Failure> {
        let agent = sqlx::query_scalar("SELECT md5('agent0.' || $1)::uuid").bind(number);
        Ok(agent.fetch_one(&self.pool).await?)
    }
}
