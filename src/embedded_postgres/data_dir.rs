//! The service's data folder: it allows one service at a time, and records where its database is.

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

/// A locked data folder. The lock is released when this value is dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    pub path: PathBuf,
    _lock: FolderLock,
}

impl DataDir {
    pub fn claim(path: &Path) -> Result<Self> {
        // If Postgres runs as another user than root, that user must be able to pass through, but not to list the
        // folder.
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

    /// Returns where an earlier start put the cluster, if not into this folder.
    pub fn recorded_relocation(&self) -> Option<PathBuf> {
        recorded_relocation(&self.path)
    }

    /// Records where the cluster is if not here, and while Postgres runs, where its socket is.
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

/// Returns where an earlier start put the cluster of this data folder, if not into the folder.
pub(super) fn recorded_relocation(data_dir: &Path) -> Option<PathBuf> {
    recorded(data_dir, "relocated")
}

/// Returns the socket folder that the service on this data folder has recorded.
pub(super) fn recorded_socket_dir(data_dir: &Path) -> Option<PathBuf> {
    recorded(data_dir, "socket_dir")
}

fn recorded(data_dir: &Path, key: &str) -> Option<PathBuf> {
    let record = fs::read_to_string(data_dir.join(RECORD)).ok()?;
    record.lines().find_map(|line| Some(PathBuf::from(line.strip_prefix(key)?.strip_prefix('=')?)))
}

/// A lock of the kernel on a file in the folder. It ends with the process, in any case.
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

/// Creates a folder with exactly this mode. The mode of an existing folder is not changed.
pub(super) fn create_folder(folder: &Path, mode: u32) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(mode).create(folder).while_trying("create the folder", folder)?;
    // Set again, because the umask may have changed it.
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).while_trying("set the mode of", folder)
}

/// Returns a short name for a path, always the same.
pub(super) fn path_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(&digest[..8])
}
