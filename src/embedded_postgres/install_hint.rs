//! How to install Postgres on the current system.

use std::{fs, path::Path};

/// Returns one sentence without its full stop. `root` is `/`, except in tests.
pub(super) fn install_hint(root: &Path) -> String {
    if cfg!(target_os = "macos") {
        return run("brew install postgresql");
    }
    let os_release = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|file| fs::read_to_string(root.join(file)).ok())
        .unwrap_or_default();
    families(&os_release)
        .find_map(command)
        .map_or_else(|| "Install the PostgreSQL server with your system's package manager".to_owned(), run)
}

fn run(command: &str) -> String {
    format!("Install it with `{command}`")
}

/// Returns the system's own name, then those of the systems that it derives from, nearest first.
fn families(os_release: &str) -> impl Iterator<Item = &str> {
    ["ID=", "ID_LIKE="].into_iter().flat_map(move |key| {
        let value = os_release.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_default();
        value.trim_matches(['"', '\'']).split_whitespace()
    })
}

fn command(family: &str) -> Option<&'static str> {
    Some(match family {
        "debian" | "ubuntu" => "apt-get install postgresql",
        "fedora" | "rhel" | "centos" | "amzn" => "dnf install postgresql-server",
        "alpine" => "apk add postgresql",
        "arch" => "pacman -S postgresql",
        "suse" | "opensuse" | "sles" => "zypper install postgresql-server",
        _ => return None,
    })
}

#[cfg(all(test, not(target_os = "macos")))]
mod tests {
    use super::*;

    fn hint(os_release: Option<&str>) -> String {
        let root = tempfile::tempdir().expect("a folder");
        if let Some(text) = os_release {
            fs::create_dir(root.path().join("etc")).expect("a folder");
            fs::write(root.path().join("etc/os-release"), text).expect("a folder");
        }
        install_hint(root.path())
    }

    #[test]
    fn speaks_of_this_systems_package_manager() {
        for (os_release, word) in [
            ("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n", "apt-get install postgresql"),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "apt-get install"),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "dnf install postgresql-server"),
            ("ID=alpine\n", "apk add"),
            ("ID=manjaro\nID_LIKE=arch\n", "pacman -S"),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", "zypper install"),
            ("ID=solaris\n", "your system's package manager"),
        ] {
            assert!(hint(Some(os_release)).contains(word), "{os_release}");
        }
        assert!(hint(None).contains("your system's package manager"));
    }
}
