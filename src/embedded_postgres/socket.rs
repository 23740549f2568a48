//! The folder of the Unix socket. Postgres trusts every connection, so the folder restricts who can connect.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    data_dir::path_hash,
    error::{EmbeddedPostgresError, Result, While},
    server_user::ServerUser,
    site::Site,
};

/// Part of the socket's file name. The server does not listen on a port.
pub(super) const PORT: u16 = 5432;

/// Limit of the bytes of the socket file's path. The smallest limit among systems is 104, including the terminator.
const LONGEST_PATH: usize = 100;

pub(super) fn socket_file(folder: &Path) -> PathBuf {
    folder.join(format!(".s.PGSQL.{PORT}"))
}

/// Creates the folder, which only the server's user (and root) can enter, and removes sockets of earlier servers.
pub(super) fn prepare(site: &Site) -> Result<PathBuf> {
    let folder = choose(&site.folder);
    make_private(&folder, &site.user)?;
    for stale in [socket_file(&folder), folder.join(format!(".s.PGSQL.{PORT}.lock"))] {
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).while_trying("remove", &stale);
            }
            _ => {}
        }
    }
    Ok(folder)
}

fn choose(site: &Path) -> PathBuf {
    let beside = site.join("socket");
    if socket_file(&beside).as_os_str().len() <= LONGEST_PATH {
        beside
    } else {
        Path::new("/tmp").join(format!("sessionary-{}", path_hash(site)))
    }
}

fn make_private(folder: &Path, user: &ServerUser) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).while_trying("create the folder", folder);
        }
        _ => {}
    }
    // Of the folder itself, not of the target of a link.
    let found = fs::symlink_metadata(folder).while_trying("look at", folder)?;
    let ours = [user.uid(), rustix::process::geteuid().as_raw()];
    let refused = |reason: String| EmbeddedPostgresError::UnsafeSocketFolder { folder: folder.to_owned(), reason };
    if !found.is_dir() {
        return Err(refused("it is not a folder".to_owned()));
    }
    if !ours.contains(&found.uid()) {
        return Err(refused(format!("it belongs to the user with id {}", found.uid())));
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Err(refused(format!("its mode is {:03o}, not 700", found.permissions().mode() & 0o777)));
    }
    user.give(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_has_at_most_a_hundred_bytes() {
        // "/" + name + "/socket/.s.PGSQL.5432" has 100 bytes with a name of 78.
        for (name, beside) in [(78, true), (79, false), (200, false)] {
            let site = PathBuf::from(format!("/{}", "x".repeat(name)));
            let folder = choose(&site);
            assert!(socket_file(&folder).as_os_str().len() <= LONGEST_PATH);
            assert_eq!(folder.starts_with(&site), beside, "{name}");
            assert_eq!(folder, choose(&site));
        }
    }

    #[tokio::test]
    async fn only_a_private_folder_is_used() {
        let parent = tempfile::tempdir().unwrap();
        let user = ServerUser::for_new_cluster().await.unwrap();
        let folder = parent.path().join("socket");
        let reason = || make_private(&folder, &user).unwrap_err().to_string();

        make_private(&folder, &user).unwrap();
        make_private(&folder, &user).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().uid(), user.uid());

        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(reason().contains("its mode is 750"), "{}", reason());

        if rustix::process::geteuid().is_root() {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(&folder, Some(12345), None).unwrap();
            assert!(reason().contains("belongs to the user with id 12345"), "{}", reason());
        }

        fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink("/tmp", &folder).unwrap();
        assert!(reason().contains("not a folder"), "{}", reason());
    }
}
