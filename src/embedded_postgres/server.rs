//! The postmaster, from its launch to its end.

use std::{path::Path, path::PathBuf, process::Stdio, time::Duration};

use rustix::process::{Pid, kill_process};
use tokio::{
    net::UnixStream,
    process::Child,
    time::{Instant, sleep, timeout},
};

use super::{
    error::{EmbeddedPostgresError, Result, While},
    find::Binaries,
    guard::{Charge, Guard},
    log::Log,
    postmaster::{LADDER, PidFile, end_predecessor, pid_of},
    site::Site,
    socket::socket_file,
    tuning::{Tuning, WalCompression},
};

/// How long a server may log nothing before it is ready. One that recovers from a crash logs every ten seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the processes of a killed server may block a start.
const REMAINS: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pid: Pid,
    log: Log,
    cluster: PathBuf,
}

impl Server {
    /// Launches the server. Resolves when it accepts connections.
    pub async fn launch(
        site: &Site,
        binaries: &Binaries,
        socket_dir: &Path,
        tuning: &Tuning,
        guard: &Guard,
    ) -> Result<Self> {
        let settings = tuning.settings(socket_dir, WalCompression::of(binaries, &site.user, &site.cluster()).await);
        let deadline = Instant::now() + REMAINS;
        loop {
            let mut server = Self::spawn(site, binaries, &settings, guard).await?;
            match server.ready(socket_dir).await {
                Ok(()) => return Ok(server),
                // The last processes of a killed server need a moment to end.
                Err(EmbeddedPostgresError::Ended { tail, .. }) if is_in_the_way(&tail) && Instant::now() < deadline => {
                    sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn spawn(site: &Site, binaries: &Binaries, settings: &[String], guard: &Guard) -> Result<Self> {
        let (program, cluster) = (binaries.folder.join("postgres"), site.cluster());
        let stale = end_predecessor(&cluster).await?;
        let log_file = site.folder.join("postgres.log");
        let (log, output) = Log::open(log_file.clone()).while_trying("open", &log_file)?;
        let errors = output.try_clone().while_trying("open", &log_file)?;

        let mut command = guard.gated(&program);
        command.arg("-D").arg(&cluster).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        if let Some(stale) = stale {
            // Postgres would take any live process with this id for a postmaster. This variable, meant for pg_ctl,
            // makes it ignore the id and still check for the old server's shared memory.
            command.env("PG_GRANDPARENT_PID", stale.to_string());
        }
        let child = guard.launch(Charge::Postmaster, command).await.while_trying("run", &program)?;
        let pid = pid_of(child.id()).while_trying("run", &program)?;
        Ok(Self { child, pid, log, cluster })
    }

    async fn ready(&mut self, socket_dir: &Path) -> Result<()> {
        let socket = socket_file(socket_dir);
        let (mut logged, mut last_word) = (self.log.len(), Instant::now());
        loop {
            if self.child.try_wait().while_trying("watch", &self.cluster)?.is_some() {
                return Err(self.exited().await);
            }
            if PidFile::read(&self.cluster).is_some_and(|file| file.pid == self.pid && file.ready)
                && UnixStream::connect(&socket).await.is_ok()
            {
                return Ok(());
            }
            if self.log.len() != logged {
                (logged, last_word) = (self.log.len(), Instant::now());
            }
            if last_word.elapsed() > SILENCE {
                return Err(EmbeddedPostgresError::NotReady {
                    seconds: SILENCE.as_secs(),
                    log: self.log.path.clone(),
                    tail: self.log.tail(),
                });
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn exited(&mut self) -> EmbeddedPostgresError {
        match self.child.wait().await.while_trying("watch", &self.cluster) {
            Ok(status) => EmbeddedPostgresError::Ended { status, log: self.log.path.clone(), tail: self.log.tail() },
            Err(error) => error,
        }
    }

    pub async fn stop(mut self) -> Result<()> {
        for (signal, patience) in LADDER {
            // Checked first, so that the id still belongs to this child when it is signalled.
            if self.child.try_wait().while_trying("watch", &self.cluster)?.is_some() {
                break;
            }
            let _ = kill_process(self.pid, signal);
            match timeout(patience, self.child.wait()).await {
                Ok(ended) => {
                    return ended.map(drop).while_trying("wait for the server of", &self.cluster);
                }
                Err(_) => tracing::warn!("Postgres did not end within {} s of {signal:?}", patience.as_secs()),
            }
        }
        Ok(())
    }
}

fn is_in_the_way(log: &str) -> bool {
    log.contains("pre-existing shared memory block") || (log.contains("lock file") && log.contains("already exists"))
}
