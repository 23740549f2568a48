//! The default database: a private, durable Postgres that lives in the service's data folder.
//!
//! The story of a start, told by [`EmbeddedPostgres::start_with`]: claim the data folder
//! (`data_dir`), settle where the cluster is and who runs it (`site`), find binaries that fit it
//! (`find`), post a guard that outlives us (`guard`), make the cluster if there is none
//! (`cluster`), and launch the server (`server`).
//!
//! In the data folder, or beside a cluster that had to be put elsewhere:
//!
//! | name | what it is |
//! |---|---|
//! | `postgres/` | the cluster, which belongs to the server's user |
//! | `postgres.log` | its log, put aside at a start when longer than 16 MiB |
//! | `socket/` | the folder of its socket, unless the path is too long for one |
//! | `postgresql/` | Postgres's programs, where [`install`] had to unpack a package |
//! | `upgrade/`, `upgraded/` | the next major version's cluster while [`upgrade`] makes it |
//! | `lock` | locked while a service runs |
//! | `postgres.location` | where the cluster is if not here, and the socket of the running server |

mod cluster;
mod data_dir;
mod error;
mod existing;
mod find;
mod guard;
pub mod install;
mod install_hint;
mod log;
mod postmaster;
mod server;
mod server_user;
mod site;
mod socket;
mod tuning;
pub mod upgrade;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};

use self::{data_dir::DataDir, error::Result, error::While, guard::Guard, server::Server, site::Site};
pub use self::{error::EmbeddedPostgresError, find::Search, tuning::Tuning};

/// How long a command waits for a service that holds the data folder but is not ready.
const PATIENCE_BESIDE: Duration = Duration::from_secs(60);

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The folder of the Unix socket. Its path, and the socket's in it, have at most 100 bytes.
    pub socket_dir: PathBuf,
    /// Part of the socket's name; no TCP port is listened on.
    pub port: u16,
    /// The name of the superuser, who needs no password.
    pub superuser: String,
}

impl Location {
    fn new(socket_dir: PathBuf) -> Self {
        Self { socket_dir, port: socket::PORT, superuser: "postgres".to_owned() }
    }
}

/// A running Postgres that belongs to this process.
///
/// It ends with this process, even one that is killed. [`stop`](Self::stop) ends it in order.
/// Dropping this does not wait: the guard shuts the server down a moment later, and a start
/// meanwhile waits for that.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    location: Location,
    server: Server,
    guard: Guard,
    // The locks go last: a field is dropped after those above it.
    site: Site,
    data_dir: DataDir,
}

impl EmbeddedPostgres {
    /// Starts the Postgres of this data folder, making both if they are not there. Ready when this
    /// resolves.
    ///
    /// A new cluster takes some seconds, an existing one well under two, or longer to recover from
    /// a crash.
    ///
    /// # Errors
    /// [`EmbeddedPostgresError`] says what to do about each.
    pub async fn start(data_dir: &Path) -> Result<Self> {
        Self::start_with(data_dir, &Search::default(), &Tuning::default()).await
    }

    /// The same with the binaries of another search, or other settings.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub async fn start_with(data_dir: &Path, search: &Search, tuning: &Tuning) -> Result<Self> {
        let data_dir = DataDir::claim(data_dir)?;
        upgrade::settle(&data_dir)?;
        let site = Site::choose(&data_dir, tuning).await?;
        let binaries = site.find(search).await?;
        tracing::debug!("PostgreSQL {} in {}", binaries.major, binaries.folder.display());

        let guard = Guard::start(&site.user, site.cluster()).while_trying("run the guard of", &site.folder)?;
        cluster::ensure(&site, &binaries, &guard).await?;
        // The socket is noted only once it works: who reads the note connects.
        data_dir.record(site.relocated(), None)?;
        let socket_dir = socket::prepare(&site)?;
        let server = Server::launch(&site, &binaries, &socket_dir, tuning, &guard).await?;
        data_dir.record(site.relocated(), Some(&socket_dir))?;
        Ok(Self { location: Location::new(socket_dir), server, guard, site, data_dir })
    }

    /// Where to connect to.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The folder that holds the cluster, if its user could not reach the data folder.
    #[must_use]
    pub fn relocated_to(&self) -> Option<&Path> {
        self.site.relocated()
    }

    /// Resolves when Postgres ends without being told to, with how it ended and the end of its log.
    /// It can be dropped and asked for again.
    pub async fn exited(&mut self) -> EmbeddedPostgresError {
        self.server.exited().await
    }

    /// Ends Postgres: connections are cut, what is committed is on disk. After 20 s it is ended
    /// without a checkpoint. When this resolves no process is left and the data folder can be used
    /// again.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn stop(self) -> Result<()> {
        let Self { server, guard, site, data_dir, .. } = self;
        let recorded = data_dir.record(site.relocated(), None);
        let stopped = server.stop().await;
        guard.end().await;
        stopped.and(recorded)
    }
}

/// Whether a data folder has a database, perhaps one that was put elsewhere.
#[must_use]
pub fn has_database(data_dir: &Path) -> bool {
    site::has_cluster(data_dir) || data_dir::recorded_relocation(data_dir).is_some()
}

/// What a command found in a data folder.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a command has one of these, once")]
pub enum Opened {
    /// Nobody was using it: Postgres runs for this command, which should stop it.
    Started(EmbeddedPostgres),
    /// A service is running: connect beside it.
    Beside(Location),
}

impl Opened {
    /// Where to connect to.
    #[must_use]
    pub fn location(&self) -> &Location {
        match self {
            Self::Started(postgres) => postgres.location(),
            Self::Beside(location) => location,
        }
    }
}

/// For commands: the Postgres of this data folder, be it a running service's or started for the
/// occasion. Waits at most 60 s for a service that is just starting.
///
/// # Errors
/// Those of [`EmbeddedPostgres::start`]; [`EmbeddedPostgresError::AlreadyRunning`] after the wait.
pub async fn open(data_dir: &Path) -> Result<Opened> {
    open_with(data_dir, &Search::default(), &Tuning::default()).await
}

/// The same, but creates nothing: the data folder must have a database, or a service that is about to create one.
///
/// # Errors
/// [`EmbeddedPostgresError::NoDatabase`] when it has none, and those of [`open`].
pub async fn open_existing(data_dir: &Path, search: &Search, tuning: &Tuning) -> Result<Opened> {
    open_if(data_dir, search, tuning, Missing::Reject).await
}

/// The same as [`open`] with the binaries of another search, or other settings.
///
/// # Errors
/// Those of [`open`].
pub async fn open_with(data_dir: &Path, search: &Search, tuning: &Tuning) -> Result<Opened> {
    open_if(data_dir, search, tuning, Missing::Create).await
}

/// What becomes of a database that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Reject,
}

async fn open_if(data_dir: &Path, search: &Search, tuning: &Tuning, missing: Missing) -> Result<Opened> {
    let deadline = Instant::now() + PATIENCE_BESIDE;
    loop {
        if missing == Missing::Reject && !existing::has_database(data_dir).while_trying("look into", data_dir)? {
            let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
            return Err(EmbeddedPostgresError::NoDatabase { data_dir });
        }
        match EmbeddedPostgres::start_with(data_dir, search, tuning).await {
            Err(busy @ EmbeddedPostgresError::AlreadyRunning { .. }) => {
                if let Some(socket_dir) = data_dir::recorded_socket_dir(data_dir)
                    && UnixStream::connect(socket::socket_file(&socket_dir)).await.is_ok()
                {
                    return Ok(Opened::Beside(Location::new(socket_dir)));
                }
                if Instant::now() > deadline {
                    return Err(busy);
                }
            }
            other => return other.map(Opened::Started),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
