//! Moves a data folder to the newest major version on the machine.
//!
//! The caller copies the data between two servers; this module manages their folders. The old cluster is only read and
//! is not deleted. The new one is created in `upgrade/`. Renaming that folder to `upgraded/` is the decisive step: an
//! interruption before it leaves the old database, and after it the next start finishes the upgrade.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    Location, cluster,
    data_dir::DataDir,
    error::{EmbeddedPostgresError, Result, While},
    find::{Binaries, Search},
    guard::Guard,
    postmaster::end_predecessor,
    server::Server,
    site::{Site, cluster_in, cluster_major},
    socket,
    tuning::Tuning,
};

const UNFINISHED: &str = "upgrade";
const FINISHED: &str = "upgraded";

/// An upgrade in progress. It has locked the data folder.
#[derive(Debug)]
pub struct Upgrade {
    data_dir: DataDir,
    site: Site,
    draft: Site,
    old: Binaries,
    new: Binaries,
    tuning: Tuning,
}

/// One of its two servers. It ends with this process, like any private Postgres.
#[derive(Debug)]
pub struct Running {
    location: Location,
    server: Server,
    guard: Guard,
}

impl Upgrade {
    /// Locks the data folder, removes what an interrupted upgrade left behind, and finds the programs of both versions:
    /// that of the cluster and the newest.
    ///
    /// # Errors
    /// [`EmbeddedPostgresError::NoDatabase`], [`EmbeddedPostgresError::NothingNewer`], or
    /// [`EmbeddedPostgresError::OtherMajor`] when the programs of the cluster's version are missing.
    pub async fn begin(data_dir: &Path, search: &Search, tuning: &Tuning) -> Result<Self> {
        if !super::has_database(data_dir) {
            return Err(EmbeddedPostgresError::NoDatabase { data_dir: data_dir.to_owned() });
        }
        let data_dir = DataDir::claim(data_dir)?;
        settle(&data_dir)?;
        let site = Site::choose(&data_dir, tuning).await?;
        let Some(major) = site.existing else {
            return Err(EmbeddedPostgresError::NoDatabase { data_dir: data_dir.path });
        };
        let all = search.every(&site.user, &site.unpacked()).await?;
        let Some(new) = all.first().filter(|newest| newest.major > major).cloned() else {
            return Err(EmbeddedPostgresError::NothingNewer { major });
        };
        let Some(old) = all.iter().find(|binaries| binaries.major == major).cloned() else {
            let mut installed: Vec<u32> = all.into_iter().map(|binaries| binaries.major).collect();
            installed.dedup();
            return Err(EmbeddedPostgresError::OtherMajor { cluster: site.cluster(), cluster_major: major, installed });
        };
        let unfinished = site.folder.join(UNFINISHED);
        if unfinished.exists() {
            // Its guard may still be ending it.
            end_predecessor(&cluster_in(&unfinished)).await?;
            cluster::remove(&unfinished).await?;
        }
        let draft = site.draft(unfinished)?;
        Ok(Self { data_dir, site, draft, old, new, tuning: tuning.clone() })
    }

    /// Returns the major version of the cluster, and the one that it is upgraded to.
    #[must_use]
    pub fn majors(&self) -> (u32, u32) {
        (self.old.major, self.new.major)
    }

    /// Returns a folder for temporary files. It is removed with the upgrade.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.draft.folder
    }

    /// Starts the old server.
    ///
    /// # Errors
    /// Those of [`EmbeddedPostgres::start`](super::EmbeddedPostgres::start).
    pub async fn start_old(&self) -> Result<Running> {
        Running::start(&self.site, &self.old, &self.tuning).await
    }

    /// Creates the new cluster, if it does not exist yet, and starts its server.
    ///
    /// # Errors
    /// Those of [`EmbeddedPostgres::start`](super::EmbeddedPostgres::start).
    pub async fn start_new(&self) -> Result<Running> {
        Running::start(&self.draft, &self.new, &self.tuning).await
    }

    /// Replaces the old cluster by the new one, and returns where the old one is now. Both servers must have been
    /// stopped.
    ///
    /// # Errors
    /// Those of the operating system. Before the decisive rename the old cluster stays in use.
    pub fn finish(self) -> Result<PathBuf> {
        let finished = self.site.folder.join(FINISHED);
        // The server has written its own files to disk; this is for their folders.
        rustix::fs::sync();
        fs::rename(&self.draft.folder, &finished).while_trying("put in place", &finished)?;
        sync(&self.site.folder)?;
        Ok(settle(&self.data_dir)?.unwrap_or(finished))
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        // After a finished upgrade it does not exist any more.
        let _ = fs::remove_dir_all(&self.draft.folder);
    }
}

impl Running {
    async fn start(site: &Site, binaries: &Binaries, tuning: &Tuning) -> Result<Self> {
        let guard = Guard::start(&site.user, site.cluster()).while_trying("run the guard of", &site.folder)?;
        if !site.cluster().exists() {
            cluster::ensure(site, binaries, &guard).await?;
        }
        let socket_dir = socket::prepare(site)?;
        let server = Server::launch(site, binaries, &socket_dir, tuning, &guard).await?;
        Ok(Self { location: Location::new(socket_dir), server, guard })
    }

    /// Returns where to connect to.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Stops it in order, with everything on disk.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn stop(self) -> Result<()> {
        let stopped = self.server.stop().await;
        self.guard.end().await;
        stopped
    }
}

/// Finishes an upgrade that was interrupted after the decisive step, for a locked data folder. Returns where the old
/// cluster was moved, if it was still in use.
pub(super) fn settle(data_dir: &DataDir) -> Result<Option<PathBuf>> {
    let mut put_aside = None;
    for folder in [Some(data_dir.path.clone()), data_dir.recorded_relocation()].into_iter().flatten() {
        let finished = folder.join(FINISHED);
        if !finished.exists() {
            continue;
        }
        let (current, new) = (cluster_in(&folder), cluster_in(&finished));
        if new.exists() {
            if let Some(major) = cluster_major(&folder)? {
                let retired = retired(&folder, major);
                fs::rename(&current, &retired).while_trying("put aside", &current)?;
                sync(&folder)?;
                put_aside = Some(retired);
            }
            fs::rename(&new, &current).while_trying("put the new database in place as", &current)?;
            sync(&folder)?;
        }
        fs::remove_dir_all(&finished).while_trying("remove", &finished)?;
    }
    Ok(put_aside)
}

/// Returns an unused name for the cluster of an older version, which is not deleted.
fn retired(folder: &Path, major: u32) -> PathBuf {
    let name = folder.join(format!("postgres.{major}"));
    let numbered = (1_u32..).map(|number| folder.join(format!("postgres.{major}.{number}")));
    std::iter::once(name).chain(numbered).find(|name| !name.exists()).unwrap_or_default()
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).while_trying("write to disk", folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(folder: &Path, major: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("PG_VERSION"), major).unwrap();
    }

    fn major(folder: &Path) -> Option<u32> {
        cluster_major(folder).unwrap()
    }

    #[test]
    fn what_was_cut_off_after_the_decision_is_finished() {
        for cut_off in
            ["before the old one is put aside", "before the new one is in place", "before the rest is removed"]
        {
            let folder = tempfile::tempdir().unwrap();
            let data_dir = DataDir::claim(&folder.path().join("data")).unwrap();
            let path = &data_dir.path;
            let (old, new) = (cut_off.starts_with("before the old"), !cut_off.ends_with("removed"));
            cluster(&path.join(if old { "postgres" } else { "postgres.15" }), "15\n");
            cluster(&path.join(if new { "upgraded/postgres" } else { "postgres" }), "18\n");
            fs::create_dir_all(path.join("upgraded/socket")).unwrap();
            settle(&data_dir).unwrap();
            assert_eq!(major(path), Some(18), "{cut_off}");
            assert_eq!(fs::read_to_string(path.join("postgres.15/PG_VERSION")).unwrap(), "15\n", "{cut_off}");
            assert!(!path.join("upgraded").exists(), "{cut_off}");
        }
    }

    #[test]
    fn what_was_cut_off_before_it_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::claim(&folder.path().join("data")).unwrap();
        cluster(&data_dir.path.join("postgres"), "15\n");
        cluster(&data_dir.path.join("upgrade/postgres"), "18\n");
        settle(&data_dir).unwrap();
        assert_eq!(major(&data_dir.path), Some(15));
    }
}
