//! One throw-away Postgres for the whole run, and one runtime that outlives every test.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use sessionary::domain::{AgentId, OrgId};
use sessionary::embedded_postgres::{EmbeddedPostgres, Search, Tuning, install};
use sessionary::store::admin::AdminStore;
use sessionary::store::{Database, Store, StoreSettings, migrate_distributed};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use super::login::Login;

/// Connections belong to the runtime that opened them, so a runtime per test would close those of other tests.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime"));

static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
static POSTGRES: OnceCell<(EmbeddedPostgres, Database)> = OnceCell::const_new();
static STORE: OnceCell<Store> = OnceCell::const_new();
static ADMIN: OnceCell<AdminStore> = OnceCell::const_new();

/// Runs a test to its end.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

/// Returns the database of this run. It ends with this process, like every private Postgres.
pub async fn database() -> &'static Database {
    let (_, database) = POSTGRES
        .get_or_init(|| async {
            let folder = FOLDER.get_or_init(|| {
                sweep();
                tempfile::Builder::new().prefix(PREFIX).tempdir().expect("a folder")
            });
            let postgres = EmbeddedPostgres::start_with(folder.path(), search(), &Tuning::default()).await;
            let postgres = postgres.expect("a Postgres");
            let database = match distributed() {
                Some(url) => {
                    let database = Database::from_urls(&url, None).expect("a URL");
                    migrate_distributed(&database, None).await.expect("a distributed schema");
                    database
                }
                None => Login::of_this_run().prepare(postgres.location(), DATABASE).await,
            };
            (postgres, database)
        })
        .await;
    database
}

/// Returns the URL of the coordinator of a distributed database, if the run is to use one (`tests/distributed/run`). Tests
/// that make a database of their own, or that cut connections, use the private Postgres in any case.
fn distributed() -> Option<String> {
    std::env::var("SESSIONARY_CITUS_URL").ok()
}

/// Returns where to find Postgres. If the machine has none, one is installed for the tests, below `target`.
pub fn search() -> &'static Search {
    static SEARCH: LazyLock<Search> = LazyLock::new(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres");
        // On a separate thread, because the caller may be on a thread of a runtime.
        let brought = std::thread::spawn(move || Runtime::new().expect("a runtime").block_on(install::ensure(&folder)));
        brought.join().expect("a thread").unwrap_or_else(|error| panic!("{error}"))
    });
    &SEARCH
}

/// Returns the socket of that Postgres.
pub async fn socket() -> PathBuf {
    database().await;
    let location = POSTGRES.get().expect("a Postgres").0.location();
    location.socket_dir.join(format!(".s.PGSQL.{}", location.port))
}

/// Returns the URL of a database of that Postgres, with its superuser's login.
pub async fn database_url(name: &str) -> String {
    database().await;
    let location = POSTGRES.get().expect("a Postgres").0.location();
    let folder: String =
        location.socket_dir.to_str().expect("UTF-8").bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("postgres://{}@{folder}:{}/{name}", location.superuser, location.port)
}

/// Returns the settings of another database of that Postgres, which may not exist.
pub async fn database_called(name: &str) -> Database {
    database().await;
    Login::of_this_run().database(POSTGRES.get().expect("a Postgres").0.location(), name)
}

/// Returns the settings of the tests' database, with the connections of the request role through this port.
pub async fn database_through(port: u16) -> Database {
    database().await;
    Login::of_this_run().database_through(POSTGRES.get().expect("a Postgres").0.location(), DATABASE, port)
}

/// Creates an empty database for a test.
#[expect(clippy::disallowed_methods, reason = "the service makes no databases")]
pub async fn make_database(name: &str) {
    let mut superuser = connection("postgres", "postgres").await;
    let statement = sqlx::AssertSqlSafe(Login::of_this_run().create_database(name));
    sqlx::query(statement).execute(&mut superuser).await.expect("a database");
}

/// Returns a connection with this role, for reading rows directly.
pub async fn connection(role: &str, name: &str) -> PgConnection {
    database().await;
    if let Some(url) = distributed().filter(|_| name == DATABASE) {
        let options: PgConnectOptions = url.parse().expect("a URL");
        return options.options([("role", role)]).connect().await.expect("a connection");
    }
    let location = POSTGRES.get().expect("a Postgres").0.location();
    let options = PgConnectOptions::new_without_pgpass().socket(&location.socket_dir).port(location.port);
    options.username(role).database(name).connect().await.expect("a connection")
}

/// Returns a connection as `sessionary_system` for statements about one organization, which may be any that one Postgres
/// permits: in a distributed database it is to the organization's shard.
#[expect(clippy::disallowed_methods, reason = "the service makes no such connections")]
pub async fn connection_of(org: OrgId) -> PgConnection {
    let mut system = connection("sessionary_system", DATABASE).await;
    let Some(url) = distributed() else { return system };
    let (shard, host, port): (i64, String, i32) = sqlx::query_as(
        "SELECT p.shardid, n.nodename::text, n.nodeport
           FROM pg_dist_placement p JOIN pg_dist_node n USING (groupid)
          WHERE p.shardid = get_shard_id_for_distribution_column('public.organizations', $1)",
    )
    .bind(org)
    .fetch_one(&mut system)
    .await
    .expect("a shard");
    let options: PgConnectOptions = url.parse().expect("a URL");
    let options = options.host(&host).port(u16::try_from(port).expect("a port"));
    let path = format!("shard_{shard},public");
    options.options([("role", "sessionary_system"), ("search_path", &path)]).connect().await.expect("a connection")
}

/// The name of the database of this run.
pub const DATABASE: &str = "sessionary_tests";

/// Returns the store that tests share. It has no caches, so that what a test deletes has disappeared at once.
pub async fn store() -> &'static Store {
    STORE
        .get_or_init(|| async {
            let settings = StoreSettings { lookup_cache: Duration::ZERO, ..StoreSettings::default() };
            Store::connect(database().await, settings).await.expect("a store")
        })
        .await
}

pub async fn admin() -> &'static AdminStore {
    ADMIN.get_or_init(|| async { AdminStore::connect(database().await).await.expect("an administrator") }).await
}

/// Changes one agent by a statement that the service does not have, with the organization and the agent's UUID as its
/// parameters.
#[expect(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]
pub async fn change_agent(statement: &'static str, org: OrgId, agent: AgentId) {
    let mut system = connection("sessionary_system", DATABASE).await;
    let changed = sqlx::query(statement).bind(org).bind(agent).execute(&mut system).await.expect("a change");
    assert_eq!(changed.rows_affected(), 1, "{statement}");
}

const PREFIX: &str = "sessionary-tests-";

/// Removes the folders of earlier runs, because a process that ends does not drop its statics.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let free = || std::fs::File::open(entry.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_ours && free() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
