//! Where the cluster is or will be, and which user runs it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    data_dir::{DataDir, FolderLock, create_folder, lock_folder, path_hash},
    error::{EmbeddedPostgresError, Result, While},
    find::{Binaries, Search},
    server_user::ServerUser,
    tuning::Tuning,
};

/// The folder of the cluster, its log and its socket, and the user they belong to.
#[derive(Debug)]
pub(super) struct Site {
    pub folder: PathBuf,
    pub user: ServerUser,
    /// The major version of the existing cluster.
    pub existing: Option<u32>,
    /// A lock on a folder other than the data folder, because a copied data folder refers to the original's cluster.
    relocation_lock: Option<FolderLock>,
}

impl Site {
    pub async fn choose(data_dir: &DataDir, tuning: &Tuning) -> Result<Self> {
        if let Some(major) = cluster_major(&data_dir.path)? {
            let user = ServerUser::for_existing(&cluster_in(&data_dir.path)).await?;
            return Self { folder: data_dir.path.clone(), user, existing: Some(major), relocation_lock: None }
                .within_reach()
                .await;
        }
        if let Some(recorded) = data_dir.recorded_relocation() {
            if cluster_major(&recorded)?.is_none() {
                return Err(EmbeddedPostgresError::ClusterMissing {
                    data_dir: data_dir.path.clone(),
                    recorded,
                    record: data_dir.record_file(),
                });
            }
            return Self::elsewhere(recorded).await;
        }
        let user = ServerUser::for_new_cluster().await?;
        if user.can_reach(&data_dir.path).await? {
            return Ok(Self { folder: data_dir.path.clone(), user, existing: None, relocation_lock: None });
        }
        let folder = tuning.relocation_root.join(path_hash(&data_dir.path));
        create_folder(&tuning.relocation_root, 0o755)?;
        create_folder(&folder, 0o711)?;
        tracing::warn!(
            "{user} runs the database but cannot reach {}: the database is stored under {}",
            data_dir.path.display(),
            folder.display()
        );
        Self::elsewhere(folder).await
    }

    async fn elsewhere(folder: PathBuf) -> Result<Self> {
        let relocation_lock = Some(lock_folder(&folder)?);
        let existing = cluster_major(&folder)?;
        let user = match existing {
            Some(_) => ServerUser::for_existing(&cluster_in(&folder)).await?,
            None => ServerUser::for_new_cluster().await?,
        };
        Self { folder, user, existing, relocation_lock }.within_reach().await
    }

    async fn within_reach(self) -> Result<Self> {
        if self.user.can_reach(&self.folder).await? {
            return Ok(self);
        }
        Err(EmbeddedPostgresError::Unreachable { user: self.user.to_string(), folder: self.folder })
    }

    /// Returns a site for the next major version's cluster, in a folder below this one, which is locked with it.
    pub fn draft(&self, folder: PathBuf) -> Result<Self> {
        create_folder(&folder, 0o711)?;
        Ok(Self { folder, user: self.user.clone(), existing: None, relocation_lock: None })
    }

    /// Returns the binaries for the cluster, whether it exists or not.
    pub async fn find(&self, search: &Search) -> Result<Binaries> {
        let cluster = self.cluster();
        search.run(&self.user, &self.unpacked(), self.existing.map(|major| (major, cluster.as_path()))).await
    }

    /// Returns the folder of packages that were unpacked for this site.
    pub fn unpacked(&self) -> PathBuf {
        self.folder.join("postgresql")
    }

    /// Returns the data folder of Postgres itself.
    pub fn cluster(&self) -> PathBuf {
        cluster_in(&self.folder)
    }

    pub fn relocated(&self) -> Option<&Path> {
        self.relocation_lock.as_ref().map(|_| self.folder.as_path())
    }
}

/// Returns whether this folder itself has a cluster.
pub(super) fn has_cluster(folder: &Path) -> bool {
    cluster_in(folder).join("PG_VERSION").exists()
}

pub(super) fn cluster_in(folder: &Path) -> PathBuf {
    folder.join("postgres")
}

/// Returns the cluster's major version, or `None` if there is no cluster. A cluster is renamed into place when it is
/// complete, so a cluster with this file is complete.
pub(super) fn cluster_major(folder: &Path) -> Result<Option<u32>> {
    let file = cluster_in(folder).join("PG_VERSION");
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.while_trying("read", &file)?,
    };
    // Before version 10 the major version had two parts. Its first part is enough to reject it as too old.
    let major = text.trim().split('.').next().and_then(|major| major.parse().ok());
    major.map(Some).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)).while_trying("read", &file)
}
