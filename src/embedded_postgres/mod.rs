//! The default database: a private, durable Postgres in the service's data folder.
//!
//! [`EmbeddedPostgres::start_with`] locks the data folder (`data_dir`), decides where the cluster is and who runs it
//! (`site`), finds binaries for it (`find`), starts a guard that outlives this process (`guard`), creates the cluster
//! if there is none (`cluster`), and launches the server (`server`).
//!
//! In the data folder, or next to a cluster that had to be put elsewhere:
//!
//! | name | what it is |
//! |---|---|
//! | `postgres/` | the cluster, which belongs to the server's user |
//! | `postgres.log` | its log, renamed at a start when it is longer than 16 MiB |
//! | `socket/` | the folder of its socket, unless the path is too long for one |
//! | `postgresql/` | Postgres's programs, if [`install`] had to unpack a package |
//! | `upgrade/`, `upgraded/` | the next major version's cluster while [`upgrade`] creates it |
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

/// How long a command waits for a service that has locked the data folder but is not ready.
const PATIENCE_BESIDE: Duration = Duration::from_secs(60);

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The folder of the Unix socket. Its path, and the path of the socket in it, have at most 100 bytes.
    pub socket_dir: PathBuf,
    /// Part of the socket's name. The server does not listen on a TCP port.
    pub port: u16,
    /// The name of the superuser, who needs no password.
    pub superuser: String,
}

impl Location {
    fn new(socket_dir: PathBuf) -> Self {
        Self { socket_dir, port: socket::PORT, superuser: "postgres".to_owned() }
    }
}

/// A running Postgres of this process.
///
/// It ends with this process, even if that is killed. [`stop`](Self::stop) ends it in order. Dropping this does not
/// wait: the guard shuts the server down a moment later, and a start meanwhile waits for that.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    location: Location,
    server: Server,
    guard: Guard,
    // The locks are released last, because fields are dropped in their order.
    site: Site,
    data_dir: DataDir,
}

impl EmbeddedPostgres {
    /// Starts the Postgres of this data folder, and creates both if they do not exist. The server is ready when this
    /// resolves.
    ///
    /// A new cluster takes some seconds. An existing one takes well under two, or longer to recover from a crash.
    ///
    /// # Errors
    /// Each [`EmbeddedPostgresError`] describes its remedy.
    pub async fn start(data_dir: &Path) -> Result<Self> {
        Self::start_with(data_dir, &Search::default(), &Tuning::default()).await
    }

    /// Starts it with other binaries or settings.
    ///
    /// # Errors
    /// The same as those of [`start`](Self::start).
    pub async fn start_with(data_dir: &Path, search: &Search, tuning: &Tuning) -> Result<Self> {
        let data_dir = DataDir::claim(data_dir)?;
        upgrade::settle(&data_dir)?;
        let site = Site::choose(&data_dir, tuning).await?;
        let binaries = site.find(search).await?;
        tracing::debug!("PostgreSQL {} in {}", binaries.major, binaries.folder.display());

        let guard = Guard::start(&site.user, site.cluster()).while_trying("run the guard of", &site.folder)?;
        cluster::ensure(&site, &binaries, &guard).await?;
        // The socket is recorded only when it works, because commands connect to a recorded socket.
        data_dir.record(site.relocated(), None)?;
        let socket_dir = socket::prepare(&site)?;
        let server = Server::launch(&site, &binaries, &socket_dir, tuning, &guard).await?;
        data_dir.record(site.relocated(), Some(&socket_dir))?;
        Ok(Self { location: Location::new(socket_dir), server, guard, site, data_dir })
    }

    /// Returns where to connect to.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the folder of the cluster, if its user could not reach the data folder.
    #[must_use]
    pub fn relocated_to(&self) -> Option<&Path> {
        self.site.relocated()
    }

    /// Resolves when Postgres ends unexpectedly, with its exit status and the end of its log. It can be dropped and
    /// called again.
    pub async fn exited(&mut self) -> EmbeddedPostgresError {
        self.server.exited().await
    }

    /// Stops Postgres. Connections are closed, and committed data is on disk. After 20 s it is ended without a
    /// checkpoint. When this resolves no process is left and the data folder can be used again.
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

/// Returns whether a data folder has a database, perhaps one that was put elsewhere.
#[must_use]
pub fn has_database(data_dir: &Path) -> bool {
    site::has_cluster(data_dir) || data_dir::recorded_relocation(data_dir).is_some()
}

/// The result of opening a data folder for a command.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a command has one of these, once")]
pub enum Opened {
    /// No service was using it: Postgres runs for this command, which should stop it.
    Started(EmbeddedPostgres),
    /// A service is running, and the command connects to its server.
    Beside(Location),
}

impl Opened {
    /// Returns where to connect to.
    #[must_use]
    pub fn location(&self) -> &Location {
        match self {
            Self::Started(postgres) => postgres.location(),
            Self::Beside(location) => location,
        }
    }
}

/// Opens the Postgres of this data folder for a command: that of a running service, or one that is started for the
/// command. Waits at most 60 s for a service that is just starting.
///
/// # Errors
/// Those of [`EmbeddedPostgres::start`]; [`EmbeddedPostgresError::AlreadyRunning`] after the wait.
pub async fn open(data_dir: &Path) -> Result<Opened> {
    open_with(data_dir, &Search::default(), &Tuning::default()).await
}

/// Opens it like [`open`], but creates nothing: the data folder must have a database, or a service that is about to
/// create one.
///
/// # Errors
/// [`EmbeddedPostgresError::NoDatabase`] when it has none, and those of [`open`].
pub async fn open_existing(data_dir: &Path, search: &Search, tuning: &Tuning) -> Result<Opened> {
    open_if(data_dir, search, tuning, Missing::Reject).await
}

/// Opens it like [`open`], with other binaries or settings.
///
/// # Errors
/// The same as those of [`open`].
pub async fn open_with(data_dir: &Path, search: &Search, tuning: &Tuning) -> Result<Opened> {
    open_if(data_dir, search, tuning, Missing::Create).await
}

/// What to do if there is no database.
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
