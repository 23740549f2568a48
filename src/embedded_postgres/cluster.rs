//! Creates a new cluster, completely or not at all.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, SystemTime},
};

use super::{
    error::{EmbeddedPostgresError, Result, While},
    find::Binaries,
    guard::{Charge, Guard},
    site::Site,
};

const DRAFT: &str = "postgres.new-";

/// The collation: sorting by bytes is fast and the same everywhere, but upper and lower case should cover all of
/// Unicode. Some systems lack the first locale.
const CTYPES: [&str; 2] = ["C.UTF-8", "C"];

/// Removes what a killed start left behind, and creates the cluster if there is none.
pub(super) async fn ensure(site: &Site, binaries: &Binaries, guard: &Guard) -> Result<()> {
    for leftover in drafts(&site.folder)? {
        remove(&leftover).await?;
    }
    if site.existing.is_some() {
        return Ok(());
    }
    // A unique name, because an orphaned initdb may still be writing to an older one.
    let age = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let draft = site.folder.join(format!("{DRAFT}{}-{age}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&draft).while_trying("create the folder", &draft)?;
    site.user.give(&draft)?;

    let output = initdb(&draft, binaries, guard).await?;
    if !output.status.success() {
        remove(&draft).await?;
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EmbeddedPostgresError::Initdb { cluster: site.cluster(), output });
    }
    let cluster = site.cluster();
    fs::rename(&draft, &cluster).while_trying("put the new database in place as", &cluster)?;
    File::open(&site.folder).and_then(|folder| folder.sync_all()).while_trying("write to disk", &site.folder)
}

async fn initdb(draft: &Path, binaries: &Binaries, guard: &Guard) -> Result<Output> {
    let program = binaries.folder.join("initdb");
    let mut last = None;
    for ctype in CTYPES {
        let mut command = guard.gated(&program);
        command
            .arg("--pgdata")
            .arg(draft)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"])
            .args(["--locale-provider=libc", "--locale=C", "--lc-ctype", ctype])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = guard.launch(Charge::Initdb, command).await.while_trying("run", &program)?;
        let output = child.wait_with_output().await.while_trying("run", &program)?;
        guard.discharge().await;
        let unknown_locale = String::from_utf8_lossy(&output.stderr).contains("invalid locale name");
        last = Some(output);
        if !unknown_locale {
            break;
        }
    }
    last.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)).while_trying("run", &program)
}

fn drafts(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).while_trying("list", folder)?;
    Ok(entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes()))
        .map(|entry| entry.path())
        .collect())
}

/// Removes a draft. Retries for a second, because an initdb whose service was just killed may still write some files.
pub(super) async fn remove(draft: &Path) -> Result<()> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(draft) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !draft.exists() => {
                return Ok(());
            }
            Err(_) if tries < 50 => tries += 1,
            result => return result.while_trying("remove the unfinished", draft),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
