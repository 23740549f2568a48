//! `--env-file`: environment variables for the whole process, read before anything else.
//!
//! The program sets them by executing itself again, so that the settings, the secrets that responders name by variable,
//! and child processes all see the same environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use super::Failure;
use crate::config::read_env_file;

const FLAG: &str = "--env-file";

/// Executes the program again with the variables of every `--env-file`. Returns only if there is none.
///
/// # Errors
/// When a file cannot be read or parsed, or the program cannot be executed again.
pub(super) fn apply() -> Result<(), Failure> {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| OsString::from("sessionary"));
    let (files, rest) = split(arguments);
    if files.is_empty() {
        return Ok(());
    }
    let mut variables = BTreeMap::new();
    for file in files {
        let unreadable = |error: &dyn std::fmt::Display| format!("{FLAG} {}: {error}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&error))?;
        variables.extend(read_env_file(&text).map_err(|error| unreadable(&error))?);
    }
    variables.retain(|name, _| std::env::var_os(name).is_none());
    let program = std::env::current_exe()?;
    Err(Command::new(program).arg0(name).args(rest).envs(variables).exec().into())
}

/// Returns the given files and the other arguments. A flag without a file is left for the parser to reject.
fn split(arguments: impl Iterator<Item = OsString>) -> (Vec<PathBuf>, Vec<OsString>) {
    let (mut files, mut rest) = (Vec::new(), Vec::new());
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            rest.push(argument);
            rest.extend(arguments.by_ref());
        } else if argument == FLAG && arguments.peek().is_some() {
            files.extend(arguments.next().map(PathBuf::from));
        } else if let Some(file) = argument.as_bytes().strip_prefix(b"--env-file=").filter(|file| !file.is_empty()) {
            files.push(PathBuf::from(OsStr::from_bytes(file)));
        } else {
            rest.push(argument);
        }
    }
    (files, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_out_of_the_arguments() {
        let split = |arguments: &[&str]| split(arguments.iter().map(OsString::from));
        let (files, rest) = split(&["serve", "--env-file", "a", "--json", "--env-file=b", "--", "--env-file", "c"]);
        assert_eq!(files, ["a", "b"].map(PathBuf::from));
        assert_eq!(rest, ["serve", "--json", "--", "--env-file", "c"]);
        let (files, rest) = split(&["--env-file"]);
        assert!(files.is_empty() && rest == ["--env-file"]);
    }
}
