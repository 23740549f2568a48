//! Checks whether a data folder has a database, without changing anything.

use std::{fs, io, path::Path};

use super::data_dir::{self, LOCK};

/// Returns whether there is a database in the folder, or a service that is about to create one.
pub(super) fn has_database(data_dir: &Path) -> io::Result<bool> {
    let is_there = |path: &Path| match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => Ok(false),
        Err(error) => Err(error),
    };
    if is_there(&data_dir.join("postgres/PG_VERSION"))? || data_dir::recorded_relocation(data_dir).is_some() {
        return Ok(true);
    }
    match fs::File::open(data_dir.join(LOCK)) {
        Ok(lock) => Ok(lock.try_lock().is_err()),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => Ok(false),
        Err(error) => Err(error),
    }
}
