//! One throw-away Postgres for the whole run, and one runtime that outlives every test.

use std::future::Future;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use sessionary::embedded_postgres::EmbeddedPostgres;
use sessionary::store::admin::AdminStore;
use sessionary::store::{Database, Store, StoreSettings, provision};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// Connections belong to the runtime that opened them; a runtime per test would close them under the next one's feet.
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

/// The database of this run. It ends with this process, like every private Postgres.
pub async fn database() -> &'static Database {
    let (_, database) = POSTGRES
        .get_or_init(|| async {
            let folder = FOLDER.get_or_init(|| {
                sweep();
                tempfile::Builder::new().prefix(PREFIX).tempdir().expect("a folder")
            });
            let postgres = EmbeddedPostgres::start(folder.path()).await.expect("a Postgres");
            let location = postgres.location();
            let database =
                Database::on_socket(&location.socket_dir, location.port, &location.superuser, "sessionary_tests");
            provision(&database).await.expect("a schema");
            (postgres, database)
        })
        .await;
    database
}

/// The store that tests share. It remembers nothing, so that what a test takes away is gone at once.
pub async fn store() -> &'static Store {
    STORE
        .get_or_init(|| async {
            let settings = StoreSettings { presence: Duration::ZERO, ..StoreSettings::default() };
            Store::connect(database().await, settings).await.expect("a store")
        })
        .await
}

pub async fn admin() -> &'static AdminStore {
    ADMIN.get_or_init(|| async { AdminStore::connect(database().await).await.expect("an administrator") }).await
}

const PREFIX: &str = "sessionary-tests-";

/// A process that ends does not drop its statics: the folders of earlier runs, whose Postgres is gone, go now.
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
