//! The server's log file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use rustix::fs::OFlags;

/// In bytes. A longer log is put aside at the next start, in place of the one before.
const LONGEST: u64 = 16 << 20;
/// In lines: what an error shows.
const TAIL: usize = 20;

/// A log file and where in it the present server began.
#[derive(Debug)]
pub(super) struct Log {
    pub path: PathBuf,
    from: u64,
}

impl Log {
    /// The file is ours, not the server's user's: it is handed over open.
    pub fn open(path: PathBuf) -> io::Result<(Self, File)> {
        if fs::metadata(&path).is_ok_and(|file| file.len() > LONGEST) {
            fs::rename(&path, path.with_extension("log.old"))?;
        }
        // Not through a link: whoever can write to this folder must not have root write elsewhere.
        let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_follow).open(&path)?;
        let from = file.metadata()?.len();
        Ok((Self { path, from }, file))
    }

    pub fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// The last lines that the present server wrote.
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
