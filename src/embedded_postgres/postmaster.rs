//! Reads a cluster's `postmaster.pid`, checks whether it is current, and ends a postmaster.

use std::{fs, io, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use super::error::{EmbeddedPostgresError, Result};

/// Fast shutdown, immediate shutdown, and kill, each with its time limit.
pub(super) const LADDER: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(20)),
    (Signal::QUIT, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(5)),
];

pub(super) struct PidFile {
    pub pid: Pid,
    pub ready: bool,
}

impl PidFile {
    pub fn read(cluster: &Path) -> Option<Self> {
        let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok().and_then(Pid::from_raw)?;
        Some(Self { pid, ready: lines.nth(6).is_some_and(|status| status.trim() == "ready") })
    }
}

/// Ends a postmaster that outlived its service. The folder is locked, so no service is using it.
///
/// Returns the process id in a stale `postmaster.pid`, which may belong to another process by now.
pub(super) async fn end_predecessor(cluster: &Path) -> Result<Option<Pid>> {
    let Some(PidFile { pid, .. }) = PidFile::read(cluster) else {
        return Ok(None);
    };
    for (signal, wait_timeout) in LADDER {
        if !serves(pid, cluster).await {
            return Ok(Some(pid));
        }
        tracing::warn!("an earlier service's Postgres (process {pid}) still runs: ending it by {signal:?}");
        // It may have ended by now, which is the goal.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + wait_timeout;
        while serves(pid, cluster).await && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
    }
    if serves(pid, cluster).await {
        return Err(EmbeddedPostgresError::PredecessorRemains {
            pid: pid.as_raw_nonzero().get(),
            cluster: cluster.to_owned(),
        });
    }
    Ok(Some(pid))
}

/// Returns whether this process is alive and a postmaster on this cluster. After a restart, especially of a container,
/// its id is often reused soon.
async fn serves(pid: Pid, cluster: &Path) -> bool {
    if cfg!(target_os = "linux") {
        // Postgres's working directory is its cluster's folder. A zombie has none.
        return fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == cluster);
    }
    let listed = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output().await;
    let cluster = cluster.as_os_str().as_encoded_bytes();
    listed.is_ok_and(|listed: std::process::Output| listed.stdout.windows(cluster.len()).any(|part| part == cluster))
}

pub(super) fn pid_of(id: Option<u32>) -> io::Result<Pid> {
    id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}
