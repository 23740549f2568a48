//! The service's data folder: one service at a time, and a note of where its database is.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    error::{EmbeddedPostgresError, Result, While},
    server_user::we_are_root,
};

const RECORD: &str = "postgres.location";
/// The file that is locked while a service runs.
pub(super) const LOCK: &str = "lock";

/// A data folder that is ours for as long as this value lives.
#[derive(Debug)]
pub(super) struct DataDir {
    pub path: PathBuf,
    _lock: FolderLock,
}

impl DataDir {
    pub fn claim(path: &Path) -> Result<Self> {
        // A user other than root that runs Postgres has to pass through, but need not look around.
        create_folder(path, if we_are_root() { 0o711 } else { 0o700 })?;
        let path = fs::canonicalize(path).while_trying("resolve", path)?;
        if path.to_str().is_none_or(|text| text.contains('\n')) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not UTF-8 or has a line break");
            return Err(EmbeddedPostgresError::Io { action: "use the path", path, source });
        }
        let lock = lock_folder(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub fn record_file(&self) -> PathBuf {
        self.path.join(RECORD)
    }

    /// Where an earlier start put the cluster, if not into this folder.
    pub fn recorded_relocation(&self) -> Option<PathBuf> {
        recorded_relocation(&self.path)
    }

    /// Notes where the cluster is if not here, and while Postgres runs, where its socket is.
    pub fn record(&self, relocated: Option<&Path>, socket_dir: Option<&Path>) -> Result<()> {
        let lines: String = [("relocated", relocated), ("socket_dir", socket_dir)]
            .into_iter()
            .filter_map(|(key, path)| Some(format!("{key}={}\n", path?.display())))
            .collect();
        let (record, draft) = (self.record_file(), self.path.join(format!("{RECORD}.new")));
        fs::write(&draft, lines).while_trying("write", &draft)?;
        fs::rename(&draft, &record).while_trying("replace", &record)
    }
}

/// Where an earlier start put the cluster of this data folder, if not into the folder.
pub(super) fn recorded_relocation(data_dir: &Path) -> Option<PathBuf> {
    recorded(data_dir, "relocated")
}

/// The socket folder that the holder of this data folder has noted.
pub(super) fn recorded_socket_dir(data_dir: &Path) -> Option<PathBuf> {
    recorded(data_dir, "socket_dir")
}

fn recorded(data_dir: &Path, key: &str) -> Option<PathBuf> {
    let record = fs::read_to_string(data_dir.join(RECORD)).ok()?;
    record.lines().find_map(|line| Some(PathBuf::from(line.strip_prefix(key)?.strip_prefix('=')?)))
}

/// The kernel's lock on a file in the folder: it ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough while a child that was just forked still has it open.
        let _ = self.0.unlock();
    }
}

pub(super) fn lock_folder(folder: &Path) -> Result<FolderLock> {
    let path = folder.join(LOCK);
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .while_trying("open the lock", &path)?;
    match lock.try_lock() {
        Ok(()) => Ok(FolderLock(lock)),
        Err(TryLockError::WouldBlock) => Err(EmbeddedPostgresError::AlreadyRunning { data_dir: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(EmbeddedPostgresError::Io { action: "lock", path, source }),
    }
}

/// Makes a folder with exactly this mode. One that is there already keeps its own.
pub(super) fn create_folder(folder: &Path, mode: u32) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(mode).create(folder).while_trying("create the folder", folder)?;
    // Once more, since the umask had its say.
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).while_trying("set the mode of", folder)
}

/// A short name for a path, the same every time.
pub(super) fn path_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
