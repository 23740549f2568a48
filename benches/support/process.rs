//! The program as a separate process, and the resources that it and its Postgres use.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::Failure;

/// A running program with an empty data folder.
pub struct Service {
    child: Child,
    data_dir: PathBuf,
    base: String,
    /// The demo organization.
    pub org: String,
}

/// Resources used since the start: seconds of CPU, and KiB of memory at the peak.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub service_cpu: f64,
    pub postgres_cpu: f64,
    pub service_peak: u64,
}

impl Service {
    /// Starts it with `SESSIONARY_RATE_LIMIT` `on` or `off`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start within two minutes.
    pub async fn start(folder: &Path, rate_limit: &str) -> Result<Self, Failure> {
        let data_dir = folder.join("data");
        let program = std::env::var_os("BENCH_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_sessionary").into());
        let child = Command::new(program)
            .env_remove("DATABASE_URL")
            .env("SESSIONARY_DATA_DIR", &data_dir)
            .env("SESSIONARY_LISTEN", "127.0.0.1:0")
            .env("SESSIONARY_RATE_LIMIT", rate_limit)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()?;
        let mut service = Self { child, data_dir, base: String::new(), org: String::new() };
        for _ in 0..600 {
            if let Some(demo) =
                read(&service.data_dir.join("demo.json")).and_then(|text| serde_json::from_str(&text).ok())
            {
                let demo: Value = demo;
                let member = |name: &str| demo.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                (service.base, service.org) = (member("base_url"), member("org_id"));
                let ready = reqwest::get(service.url("/readyz")).await;
                if ready.is_ok_and(|response| response.status().is_success()) {
                    return Ok(service);
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err("the program did not start".into())
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Returns the used resources, or `None` without `/proc`.
    pub fn usage(&self) -> Option<Usage> {
        let postmaster = self.postmaster_pid()?;
        let backends = children_of(postmaster);
        Some(Usage {
            service_cpu: cpu(self.child.id())?,
            postgres_cpu: cpu(postmaster)? + backends.into_iter().filter_map(cpu).sum::<f64>(),
            service_peak: memory(self.child.id(), "VmHWM:")?,
        })
    }

    /// Returns the bytes of memory in use, in KiB, or `None` without `/proc`.
    pub fn resident(&self) -> Option<u64> {
        memory(self.child.id(), "VmRSS:")
    }

    /// Returns the address of the service.
    ///
    /// # Errors
    /// When the base URL has none.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.base.trim_start_matches("http://").trim_end_matches('/').parse()?)
    }

    /// Returns the folder of the private Postgres's socket, and its port.
    ///
    /// # Errors
    /// When Postgres is not running.
    pub fn socket(&self) -> Result<(PathBuf, u16), Failure> {
        let file = self.postmaster().ok_or("no Postgres")?;
        let text = fs::read_to_string(file)?;
        // Process id, folder, start, port, folder of the socket.
        let mut lines = text.lines().skip(3);
        let port = lines.next().ok_or("no port")?.trim().parse()?;
        Ok((PathBuf::from(lines.next().ok_or("no socket")?.trim()), port))
    }

    /// Finds the file with the postmaster's process id below the data folder.
    fn postmaster(&self) -> Option<PathBuf> {
        let mut folders = vec![self.data_dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).ok()?.flatten() {
                if entry.file_name() == "postmaster.pid" {
                    return Some(entry.path());
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != "base" {
                    folders.push(entry.path());
                }
            }
        }
        None
    }

    /// Ends the program at once, with SIGKILL.
    ///
    /// # Errors
    /// When it has ended by itself.
    pub fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends Postgres at once, with SIGKILL, and waits until the program has ended because of it.
    ///
    /// # Errors
    /// When Postgres is not running.
    pub fn kill_postgres(&mut self) -> Result<(), Failure> {
        let postmaster = self.postmaster_pid().ok_or("no Postgres")?;
        Command::new("kill").args(["-KILL", &postmaster.to_string()]).status()?;
        self.child.wait()?;
        Ok(())
    }

    fn postmaster_pid(&self) -> Option<u32> {
        fs::read_to_string(self.postmaster()?).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Stops the program as an operator does, and waits for it.
    pub fn stop(mut self) -> Result<(), Failure> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the fields of `/proc/<pid>/stat` after the name, which may contain anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Returns the seconds of CPU of a process and of its children that have ended.
pub fn cpu(pid: u32) -> Option<f64> {
    // From `utime` to `cstime`, in hundredths of a second on every Linux.
    let fields = stat(pid)?;
    let ticks: f64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(ticks / 100.0)
}

fn children_of(parent: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).and_then(|fields| fields.get(1)?.parse().ok()) == Some(parent)).collect()
}

fn memory(pid: u32, line: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find(|found| found.starts_with(line))?.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the text of a file that is written as a whole.
fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().filter(|text| text.ends_with('\n') || text.ends_with('}'))
}
