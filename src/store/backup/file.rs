//! A backup's file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{BackupError, Contents, FORMAT, Header, Table, Trailer};

/// Bytes of a line that is not a row. A file with a longer one is not a backup.
const MAX_LINE: u64 = 1 << 20;
/// Bytes of a table that are read at once, unless a single row is longer.
const CHUNK: usize = 64 << 10;

/// Writes a backup to a draft file next to the target, and renames it when it is complete and on disk.
pub(super) struct Writer {
    target: PathBuf,
    draft: PathBuf,
    is_finished: bool,
    output: GzEncoder<BufWriter<File>>,
    digest: Sha256,
}

impl Writer {
    pub fn create(target: &Path) -> Result<Self, BackupError> {
        let failed = |source| BackupError::File { file: target.to_owned(), source };
        if fs::symlink_metadata(target).is_ok() {
            return Err(BackupError::Exists(target.to_owned()));
        }
        let name = target.file_name().ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
        let draft = target.with_file_name(format!("{}.partial", name.to_string_lossy()));
        // Not truncated before it is locked, because another backup may be writing it. The draft of a killed backup is
        // overwritten.
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&draft).map_err(failed)?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => return Err(BackupError::Busy(target.to_owned())),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
            Ok(()) => file.set_len(0).map_err(failed)?,
        }
        let output = GzEncoder::new(BufWriter::with_capacity(CHUNK, file), Compression::fast());
        Ok(Self { target: target.to_owned(), draft, is_finished: false, output, digest: Sha256::new() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.digest.update(bytes);
        self.output.write_all(bytes).map_err(|source| BackupError::File { file: self.draft.clone(), source })
    }

    pub fn line(&mut self, value: &impl Serialize) -> Result<(), BackupError> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| BackupError::File { file: self.draft.clone(), source: error.into() })?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Ends the file and moves it to the target.
    pub fn finish(mut self, rows: &BTreeMap<String, u64>) -> Result<(), BackupError> {
        let sha256 = hex::encode(self.digest.clone().finalize());
        self.line(&Trailer { rows: rows.clone(), sha256 })?;
        let mut sealed = || {
            self.output.try_finish()?;
            let buffered = self.output.get_mut();
            buffered.flush()?;
            buffered.get_ref().sync_all()?;
            // Does not overwrite a file that was created there meanwhile.
            fs::hard_link(&self.draft, &self.target).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                // Some file systems do not have hard links.
                _ => fs::rename(&self.draft, &self.target),
            })?;
            let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        sealed().map_err(|source| BackupError::File { file: self.target.clone(), source })?;
        self.is_finished = true;
        let _ = fs::remove_file(&self.draft);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.draft);
        }
    }
}

/// Reads a backup from its first line to its last.
pub(super) struct Reader {
    file: PathBuf,
    input: BufReader<MultiGzDecoder<File>>,
    digest: Sha256,
    pub header: Header,
    rows: BTreeMap<String, u64>,
}

/// What follows a table.
pub(super) enum Next {
    Table(Table),
    /// The file is complete, and its checksum matches what was read.
    End,
}

impl Reader {
    pub fn open(file: &Path) -> Result<Self, BackupError> {
        let opened = File::open(file).map_err(|source| BackupError::File { file: file.to_owned(), source })?;
        let mut input = BufReader::with_capacity(CHUNK, MultiGzDecoder::new(opened));
        let no_backup = |reason: String| BackupError::NoBackup(file.to_owned(), reason);
        let line = line(&mut input).map_err(|error| no_backup(error.to_string()))?;
        let header: Header = serde_json::from_slice(&line).map_err(|error| no_backup(error.to_string()))?;
        if header.sessionary_backup != FORMAT {
            return Err(no_backup(format!("its format is {}, not {FORMAT}", header.sessionary_backup)));
        }
        let digest = Sha256::new_with_prefix(&line);
        Ok(Self { file: file.to_owned(), input, digest, header, rows: BTreeMap::new() })
    }

    /// Reads the line of the next table, whose rows [`chunk`](Self::chunk) reads; or the last line, and verifies it.
    pub fn next(&mut self) -> Result<Next, BackupError> {
        let line = line(&mut self.input).map_err(|error| self.damaged(&error.to_string()))?;
        if let Ok(table) = serde_json::from_slice::<Table>(&line) {
            self.digest.update(&line);
            self.rows.insert(table.table.clone(), 0);
            return Ok(Next::Table(table));
        }
        let trailer: Trailer = serde_json::from_slice(&line).map_err(|_| self.damaged("a line is unreadable"))?;
        if trailer.sha256 != hex::encode(self.digest.clone().finalize()) {
            return Err(self.damaged("its SHA-256 is not the one that was written"));
        }
        if trailer.rows != self.rows {
            return Err(self.damaged("rows are missing"));
        }
        match self.input.fill_buf() {
            Ok([]) => Ok(Next::End),
            Ok(_) => Err(self.damaged("there is something behind its end")),
            Err(error) => Err(self.damaged(&error.to_string())),
        }
    }

    /// Appends the next rows of a table to the empty buffer, about 64 KiB of them. Returns `true` if there may be more.
    pub fn chunk(&mut self, table: &Table, buffer: &mut Vec<u8>) -> Result<bool, BackupError> {
        buffer.clear();
        let mut rows = 0;
        while buffer.len() < CHUNK {
            let start = buffer.len();
            let read = self.input.read_until(b'\n', buffer).map_err(|error| self.damaged(&error.to_string()))?;
            let row = &buffer[start..];
            if read == 0 || !row.ends_with(b"\n") {
                return Err(self.damaged("it ends in the middle"));
            }
            self.digest.update(row);
            if row == b"\\.\n" {
                buffer.truncate(start);
                self.count(table, rows);
                return Ok(false);
            }
            rows += 1;
        }
        self.count(table, rows);
        Ok(true)
    }

    fn count(&mut self, table: &Table, rows: u64) {
        *self.rows.entry(table.table.clone()).or_default() += rows;
    }

    fn damaged(&self, reason: &str) -> BackupError {
        BackupError::Damaged(self.file.clone(), reason.to_owned())
    }

    /// Returns the header and the number of rows that were read.
    pub fn contents(self) -> Contents {
        Contents { header: self.header, rows: self.rows }
    }
}

/// Reads a whole backup and returns its contents, without a database.
///
/// # Errors
/// [`BackupError::NoBackup`] when the file is no backup, [`BackupError::Damaged`] when it is incomplete or changed,
/// [`BackupError::File`] when it cannot be read.
pub fn verify(file: &Path) -> Result<Contents, BackupError> {
    let mut reader = Reader::open(file)?;
    let mut buffer = Vec::new();
    while let Next::Table(table) = reader.next()? {
        while reader.chunk(&table, &mut buffer)? {}
    }
    Ok(reader.contents())
}

/// Reads one line that is not a row, including its end.
fn line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(line)
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early"))
    }
}
