//! What a start creates, where, and as which user.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use sessionary::embedded_postgres::{EmbeddedPostgres, EmbeddedPostgresError, Search, Tuning};

use crate::support::{self, Home, is_root, mode, search};

#[tokio::test]
async fn without_binaries_the_error_says_what_to_install() {
    let home = Home::new();
    let search = Search { named: None, path: Vec::new(), root: home.path().join("empty") };
    let error = EmbeddedPostgres::start_with(&home.data_dir(), &search, &home.tuning()).await.unwrap_err();
    assert!(matches!(error, EmbeddedPostgresError::NotFound { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("Install") && text.contains("DATABASE_URL"), "{text}");
    assert!(!home.data_dir().join("postgres").exists());
}

#[tokio::test]
async fn a_new_cluster_is_private_durable_and_off_the_network() {
    let home = Home::new();
    let postgres = home.start().await;
    let show = |setting: &str| home.sql(&postgres, &format!("SHOW {setting}"));
    for (setting, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("max_connections", "60"),
        ("jit", "off"),
        ("checkpoint_timeout", "15min"),
        ("timezone", "UTC"),
        ("server_encoding", "UTF8"),
        ("data_directory", home.cluster().to_str().unwrap()),
    ] {
        assert_eq!(show(setting), value, "{setting}");
    }
    let is_built_with_lz4 = "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'wal_compression'";
    let compression = if home.sql(&postgres, is_built_with_lz4) == "t" { "lz4" } else { "off" };
    assert_eq!(show("wal_compression"), compression);
    assert_eq!(home.sql(&postgres, "SELECT current_user || ' ' || upper('ä')"), "postgres Ä");

    let socket_dir = &postgres.location().socket_dir;
    assert_eq!(socket_dir, &home.data_dir().join("socket"));
    for folder in [socket_dir, &home.cluster()] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    assert_eq!(mode(&home.data_dir()), if is_root() { 0o711 } else { 0o700 });
    assert_eq!(mode(&home.data_dir().join("postgres.log")), 0o600);
    let left_over = support::names(&home.data_dir());
    assert_eq!(left_over, ["lock", "postgres", "postgres.location", "postgres.log", "socket"]);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn the_default_settings_are_those_of_a_service() {
    let home = Home::new();
    let tuning = Tuning { relocation_root: home.tuning().relocation_root, ..Tuning::default() };
    let postgres = EmbeddedPostgres::start_with(&home.data_dir(), search(), &tuning).await.unwrap();
    assert_eq!(home.sql(&postgres, "SHOW shared_buffers"), "128MB");
    assert_eq!(home.sql(&postgres, "SHOW max_wal_size"), "2GB");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn root_runs_it_as_somebody_else_and_others_as_themselves() {
    let home = Home::new();
    let postgres = home.start().await;
    let server = home.postmaster();
    let owner = fs::metadata(home.cluster()).unwrap().uid();
    assert_eq!(server.uid(), owner);
    assert_eq!(owner == support::our_uid(), !is_root());
    if is_root() {
        assert_ne!(owner, 0);
        assert_eq!(server.groups().len(), 0, "no supplementary groups");
        // A user that is neither root nor the server's user cannot enter the folder.
        let refused = home.sql_as(Some(54321), &postgres, "SELECT 1");
        assert!(refused.unwrap_err().contains("Permission denied"));
    }
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn root_runs_an_existing_cluster_as_its_owner() {
    let home = Home::new();
    home.start().await.stop().await.unwrap();
    let mut expected = support::our_uid();
    if is_root() {
        expected = 54321;
        support::chown_all(&home.cluster(), expected);
        support::chown_all(&home.data_dir().join("socket"), expected);
    }
    let postgres = home.start().await;
    assert_eq!(home.postmaster().uid(), expected);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn an_ordinary_user_needs_nothing_more() {
    let home = Home::new();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut holder = home.hold_as(support::nobody(), &[]);
    holder.wait_for("ready");
    let uid = holder.process().uid();
    assert_ne!(uid, 0);
    assert_eq!(home.postmaster().uid(), uid);
    assert_eq!(mode(&home.data_dir()), 0o700);
    holder.finish();
    home.assert_quiet();
}

#[tokio::test]
async fn a_folder_out_of_reach_puts_the_cluster_elsewhere() {
    let home = Home::new();
    let closed = home.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = closed.join("data");
    let start = || async { EmbeddedPostgres::start_with(&data_dir, search(), &home.tuning()).await };

    let postgres = start().await.unwrap();
    let relocated = postgres.relocated_to().map(Path::to_owned);
    assert_eq!(relocated.is_some(), is_root());
    home.sql(&postgres, "CREATE TABLE kept (n int)");
    assert!(data_dir.join("lock").exists() && data_dir.join("postgres.location").exists());
    assert_eq!(data_dir.join("postgres").exists(), !is_root());
    assert_eq!(mode(&closed), 0o700, "what is not ours keeps its mode");
    postgres.stop().await.unwrap();

    let postgres = start().await.unwrap();
    assert_eq!(postgres.relocated_to(), relocated.as_deref());
    assert_eq!(home.sql(&postgres, "SELECT count(*) FROM kept"), "0");

    if let Some(relocated) = relocated {
        assert_eq!(relocated.parent(), Some(home.tuning().relocation_root.as_path()));
        // A copy of the data folder refers to the same cluster, which is in use.
        let copy = home.path().join("copy");
        fs::create_dir(&copy).unwrap();
        fs::copy(data_dir.join("postgres.location"), copy.join("postgres.location")).unwrap();
        let refused = EmbeddedPostgres::start_with(&copy, search(), &home.tuning()).await.unwrap_err();
        let EmbeddedPostgresError::AlreadyRunning { data_dir: busy } = refused else {
            panic!("{refused}");
        };
        assert_eq!(busy, relocated);
        postgres.stop().await.unwrap();
        // An empty database instead of a lost one would be worse than none.
        fs::remove_dir_all(&relocated).unwrap();
        let missing = start().await.unwrap_err();
        assert!(matches!(missing, EmbeddedPostgresError::ClusterMissing { .. }), "{missing}");
    } else {
        postgres.stop().await.unwrap();
    }
}

#[tokio::test]
async fn odd_characters_in_the_path_are_only_characters() {
    let home = Home::new();
    let data_dir = home.path().join("it's, a \"folder\" $HOME");
    let postgres = EmbeddedPostgres::start_with(&data_dir, search(), &home.tuning()).await.unwrap();
    assert_eq!(postgres.location().socket_dir, fs::canonicalize(data_dir).unwrap().join("socket"));
    // psql treats a comma as a list of hosts. That the service connects is part of the start.
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket_folder_that_nobody_can_prepare() {
    let home = Home::new();
    let data_dir = home.path().join("x".repeat(90));
    let postgres = EmbeddedPostgres::start_with(&data_dir, search(), &home.tuning()).await.unwrap();
    let socket_dir = postgres.location().socket_dir.clone();
    assert!(socket_dir.to_str().unwrap().starts_with("/tmp/sessionary-"));
    assert!(socket_dir.join(".s.PGSQL.5432").as_os_str().len() <= 100);
    assert_eq!(mode(&socket_dir), 0o700);
    assert_eq!(home.sql(&postgres, "SELECT 1"), "1");
    postgres.stop().await.unwrap();

    fs::set_permissions(&socket_dir, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = EmbeddedPostgres::start_with(&data_dir, search(), &home.tuning()).await.unwrap_err();
    assert!(matches!(refused, EmbeddedPostgresError::UnsafeSocketFolder { .. }), "{refused}");
    fs::remove_dir_all(&socket_dir).unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_major_version_is_left_alone() {
    let home = Home::new();
    home.start().await.stop().await.unwrap();
    let version = home.cluster().join("PG_VERSION");
    let installed = fs::read_to_string(&version).unwrap();
    fs::write(&version, "14\n").unwrap();
    let before = support::tree(&home.cluster());
    let refused = EmbeddedPostgres::start_with(&home.data_dir(), search(), &home.tuning()).await.unwrap_err();
    assert!(matches!(refused, EmbeddedPostgresError::OtherMajor { cluster_major: 14, .. }), "{refused}");
    let text = refused.to_string();
    for part in ["PostgreSQL 14", &format!("PostgreSQL {}", installed.trim()), home.cluster().to_str().unwrap()] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(support::tree(&home.cluster()), before);
}
