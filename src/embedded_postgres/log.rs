//! The server's log file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use rustix::fs::OFlags;

/// Bytes of a log above which it is renamed at the next start, replacing the previous one.
const LONGEST: u64 = 16 << 20;
/// Lines of the log in an error.
const TAIL: usize = 20;

/// A log file, and the position where the current server's part begins.
#[derive(Debug)]
pub(super) struct Log {
    pub path: PathBuf,
    from: u64,
}

impl Log {
    /// Opens the file. It belongs to this process and not to the server's user, so it is passed to the server open.
    pub fn open(path: PathBuf) -> io::Result<(Self, File)> {
        if fs::metadata(&path).is_ok_and(|file| file.len() > LONGEST) {
            fs::rename(&path, path.with_extension("log.old"))?;
        }
        // Does not follow a link, because a user who can write to this folder must not make root write elsewhere.
        let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_follow).open(&path)?;
        let from = file.metadata()?.len();
        Ok((Self { path, from }, file))
    }

    pub fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Returns the last lines that the current server wrote.
    pub fn tail(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.from.max(self.len().saturating_sub(16 << 10))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_else(|error| format!("(it cannot be read: {error})"));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}
