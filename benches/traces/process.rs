//! The program as a separate process, and the resources that it and its Postgres use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{Failure, read};

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
    pub async fn start(folder: &Path) -> Result<Self, Failure> {
        let data_dir = folder.join("data");
        let child = Command::new(env!("CARGO_BIN_EXE_sessionary"))
            .env_remove("DATABASE_URL")
            .env("SESSIONARY_DATA_DIR", &data_dir)
            .env("SESSIONARY_LISTEN", "127.0.0.1:0")
            .env("SESSIONARY_RATE_LIMIT", "off")
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
        let postmaster = fs::read_to_string(self.postmaster()?).ok()?.lines().next()?.trim().parse().ok()?;
        let backends = children_of(postmaster);
        Some(Usage {
            service_cpu: cpu(self.child.id())?,
            postgres_cpu: cpu(postmaster)? + backends.into_iter().filter_map(cpu).sum::<f64>(),
            service_peak: peak(self.child.id())?,
        })
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
fn cpu(pid: u32) -> Option<f64> {
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

fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
