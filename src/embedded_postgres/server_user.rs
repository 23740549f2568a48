//! The user that Postgres runs as: the service's own, or another user if that is root, because initdb and postgres do
//! not run as root.

use std::{
    ffi::OsStr,
    fmt, fs,
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
    process::Stdio,
};

use tokio::process::Command;

use super::error::{EmbeddedPostgresError, Result, While};

/// The variables that the server's processes inherit. Others are not passed, because the environment contains secrets.
/// The last two are for Postgres builds that include libraries.
const INHERITED: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerUser {
    Ourselves,
    Other { uid: u32, gid: u32, name: String },
}

impl ServerUser {
    /// Returns the user for a new cluster.
    pub async fn for_new_cluster() -> Result<Self> {
        if !we_are_root() {
            return Ok(Self::Ourselves);
        }
        Self::first_of(&["postgres", "nobody"]).await.ok_or(EmbeddedPostgresError::NoServerUser)
    }

    /// Returns the user for an existing cluster: its owner, because Postgres accepts no other.
    pub async fn for_existing(cluster: &Path) -> Result<Self> {
        let owner = fs::metadata(cluster).while_trying("look at", cluster)?;
        if !we_are_root() || owner.uid() == 0 {
            return Self::for_new_cluster().await;
        }
        Ok(Self::Other { uid: owner.uid(), gid: owner.gid(), name: format!("the user with id {}", owner.uid()) })
    }

    async fn first_of(names: &[&str]) -> Option<Self> {
        for name in names {
            if let (Some(uid), Some(gid)) = (id("-u", name).await, id("-g", name).await) {
                return Some(Self::Other { uid, gid, name: format!("the user `{name}`") });
            }
        }
        None
    }

    /// Returns a command that runs as this user, without this process's environment, and that does not receive a
    /// terminal's Ctrl-C, because the service has to drain before its database ends.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null());
        if let Self::Other { uid, gid, .. } = self {
            // For a child of root, setting the uid also clears its supplementary groups.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Gives a path to this user.
    pub fn give(&self, path: &Path) -> Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => {
                lchown(path, Some(*uid), Some(*gid)).while_trying("hand to the server's user", path)
            }
        }
    }

    pub fn uid(&self) -> u32 {
        match self {
            Self::Ourselves => rustix::process::geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        }
    }

    /// Returns whether this user can enter `folder`. It is tried and not computed, because access depends on more than
    /// modes.
    pub async fn can_reach(&self, folder: &Path) -> Result<bool> {
        let mut command = self.command("/bin/sh");
        command.args(["-c", "cd \"$1\"", "reach"]).arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status().await.while_trying("run a shell to try", folder)?.success())
    }
}

impl fmt::Display for ServerUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ourselves => f.write_str("the user of this service"),
            Self::Other { name, .. } => f.write_str(name),
        }
    }
}

pub(super) fn we_are_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs `id`, which also knows the users of directory services, while `/etc/passwd` has only local ones.
async fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).stdin(Stdio::null()).output().await.ok()?;
    output.status.success().then(|| str::from_utf8(&output.stdout).ok()?.trim().parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_first_user_that_exists() {
        let Some(ServerUser::Other { uid, name, .. }) = ServerUser::first_of(&["no-such-user", "nobody"]).await else {
            panic!("every system has nobody");
        };
        assert!(uid > 0);
        assert_eq!(name, "the user `nobody`");
        assert_eq!(ServerUser::first_of(&["no-such-user"]).await, None);
    }

    #[tokio::test]
    async fn root_drops_every_privilege_and_others_stay_who_they_are() {
        let user = ServerUser::for_new_cluster().await.unwrap();
        assert_eq!(user == ServerUser::Ourselves, !we_are_root());
        let output = user.command("sh").args(["-c", "id -u; id -G; pwd; env"]).output().await.unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let mut lines = output.lines();
        assert_eq!(lines.next().unwrap(), user.uid().to_string());
        if let ServerUser::Other { gid, .. } = user {
            assert_eq!(lines.next().unwrap(), gid.to_string(), "one group, and no supplementary ones");
        } else {
            lines.next();
        }
        assert_eq!(lines.next(), Some("/"));
        assert!(!output.contains("CARGO"), "our environment is not theirs: {output}");
    }

    #[tokio::test]
    async fn reach_is_tried() {
        let closed = tempfile::tempdir().unwrap();
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let user = ServerUser::for_new_cluster().await.unwrap();
        assert!(user.can_reach(Path::new("/")).await.unwrap());
        assert_eq!(user.can_reach(closed.path()).await.unwrap(), !we_are_root());
        assert!(!user.can_reach(&closed.path().join("absent")).await.unwrap());
    }
}
