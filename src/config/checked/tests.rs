use super::*;
use clap::Parser;

#[derive(Parser)]
struct Only {
    #[command(flatten)]
    config: Config,
}

fn check(flags: &[&str]) -> Result<Settings, SettingErrors> {
    Only::parse_from([&["sessionary"], flags].concat()).config.check(std::iter::empty(), &[], &[])
}

/// Returns the names of the settings that cannot be used.
fn rejected(flags: &[&str]) -> Vec<&'static str> {
    check(flags).unwrap_err().0.iter().map(|error| error.setting.name).collect()
}

#[test]
fn defaults_are_those_of_the_table() {
    let settings = check(&[]).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(settings.data_dir, PathBuf::from(".sessionary"));
    assert_eq!(settings.contract, Contract::Documented);
    assert!(settings.rate_limit && settings.database.is_none() && settings.jwt.is_none());
    assert!(settings.trusted_proxies.is_empty() && settings.cors_origins.is_empty());
    assert!(settings.public_url.is_none() && settings.warnings.is_empty());
    assert_eq!(settings.private_addresses, PrivateAddresses::Refused);
    assert_eq!(settings.storage_quota, QUOTA);
    assert_eq!(settings.shutdown_delay, Duration::from_secs(5));
}

#[test]
fn every_setting_that_cannot_be_used_is_reported_at_once() {
    let bad = [
        ("--listen", "nowhere"),
        ("--database-url", "mysql://u:hidden@h/d"),
        ("--contract", "verbal"),
        ("--rate-limit", "yes"),
        ("--public-url", "sessions.example.com"),
        ("--trusted-proxies", "10.0.0.0/8,home"),
        ("--cors-origins", "*"),
        ("--jwt-hs256-secret", "hidden"),
        ("--jwt-provision", "perhaps"),
        ("--messaging-default-org", "acme"),
        ("--messaging-anonymous", "nowhere"),
        ("--storage-quota", "0"),
        ("--responders-private", "yes"),
        ("--shutdown-delay", "601"),
        ("--session-timeout-minutes", "soon"),
        ("--session-auto-renew", "maybe"),
        ("--agntix-idle-minutes", "0"),
        ("--agntix-models", "{}"),
        ("--log", "sessionary=loud"),
    ];
    let flags: Vec<&str> = bad.iter().flat_map(|(flag, value)| [*flag, *value]).collect();
    let errors = check(&flags).unwrap_err();
    assert_eq!(errors.0.len(), bad.len(), "{errors}");
    let text = errors.to_string();
    assert!(!text.contains("hidden"), "{text}");
    for (_, value) in bad.iter().filter(|(_, value)| !value.contains("hidden")) {
        assert!(text.contains(&format!("={value}")), "{value}: {text}");
    }
    for error in &errors.0 {
        assert!(!error.setting.allowed.is_empty() && !error.problem.is_empty(), "{error:?}");
    }
    // Each is also rejected alone.
    for (flag, value) in bad {
        assert_eq!(rejected(&[flag, value]).len(), 1, "{flag}");
    }
}

#[test]
fn what_belongs_together_is_missed() {
    assert_eq!(rejected(&["--migration-url", "postgres://o:hidden@h/d"]), ["SESSIONARY_MIGRATION_URL"]);
    let secret = "s".repeat(32);
    assert_eq!(rejected(&["--jwt-hs256-secret", &secret, "--jwt-public-key", "x"]), ["SESSIONARY_JWT_PUBLIC_KEY"]);
    assert_eq!(rejected(&["--jwt-public-key", "/no/such/key.pem"]), ["SESSIONARY_JWT_PUBLIC_KEY"]);
    let pem = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----";
    assert_eq!(rejected(&["--jwt-public-key", pem]), ["SESSIONARY_JWT_PUBLIC_KEY"]);
    let settings = check(&["--jwt-audience", "a"]).unwrap();
    assert!(settings.warnings[0].contains("SESSIONARY_JWT_AUDIENCE has no effect"), "{:?}", settings.warnings);
    assert!(check(&["--jwt-audience", "a", "--jwt-hs256-secret", &secret]).unwrap().warnings.is_empty());
}

#[test]
fn an_empty_value_counts_as_none_and_is_mentioned() {
    let config = |flags: &[&str]| Only::parse_from([&["sessionary"], flags].concat()).config;
    let names = ["listen", "public-url", "contract", "rate-limit", "storage-quota", "shutdown-delay", "log"];
    let flags: Vec<String> = names.iter().map(|name| format!("--{name}= ")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let settings = config(&flags).check(std::iter::empty(), &[], &["SESSIONARY_PUBLIC_URL"]).unwrap();
    assert_eq!(settings.warnings, ["SESSIONARY_PUBLIC_URL is empty and counts as not set"]);
    assert_eq!(settings.listen.port(), 3000);
    let settings = config(&["--data-dir", ""]).check(std::iter::empty(), &[], &[]).unwrap();
    assert_eq!(settings.data_dir, PathBuf::from(".sessionary"));
    // A missing database must not be replaced by another one.
    let errors = config(&["--database-url", ""]).check(std::iter::empty(), &[], &["DATABASE_URL"]).unwrap_err();
    assert_eq!(errors.0[0].setting.name, "DATABASE_URL");
}

#[test]
fn lists_are_read() {
    assert_eq!(check(&["--trusted-proxies", "10.0.0.0/8, ::1"]).unwrap().trusted_proxies.len(), 2);
    let origins = check(&["--cors-origins", "https://a.example,http://localhost:5173"]).unwrap().cors_origins;
    assert_eq!(origins.len(), 2);
    for bad in ["*", "a.example", "https://a.example/path", "ftp://a.example"] {
        assert_eq!(rejected(&["--cors-origins", bad]), ["SESSIONARY_CORS_ORIGINS"], "{bad}");
    }
    let own: IpNet = "10.1.0.0/16".parse().unwrap();
    let within = check(&["--responders-private", "10.1.0.0/16"]).unwrap().private_addresses;
    assert_eq!(within, PrivateAddresses::Within([own].into()));
}

#[test]
fn a_secret_of_fewer_bytes_than_hs256_needs_is_rejected() {
    for secret in ["s".to_owned(), "s".repeat(31)] {
        assert_eq!(rejected(&["--jwt-hs256-secret", &secret]), ["SESSIONARY_JWT_HS256_SECRET"]);
    }
    // Bytes, not characters.
    assert!(check(&["--jwt-hs256-secret", &"é".repeat(16)]).unwrap().jwt.is_some());
}

#[test]
fn the_timeouts_of_messaging_are_elizaos_variables() {
    let plain = check(&[]).unwrap().messaging;
    assert_eq!((plain.default_timeout, plain.min_timeout, plain.max_timeout), (30.0, 5.0, 1_440.0));
    let own = ["--session-default-timeout-minutes", "2", "--session-max-timeout-minutes", "90 minutes"];
    let own = check(&own).unwrap();
    assert_eq!((own.messaging.default_timeout, own.messaging.max_timeout), (2.0, 90.0));
    assert!(own.warnings[0].contains("SESSION_MAX_TIMEOUT_MINUTES=90 minutes is read as 90"), "{:?}", own.warnings);
    let moved = check(&["--session-min-timeout-minutes", "90", "--session-timeout-minutes", "1"]).unwrap();
    assert_eq!(moved.warnings.len(), 2, "{:?}", moved.warnings);
    assert!(moved.warnings[0].contains("is read as 60"), "{:?}", moved.warnings);
}

#[test]
fn a_word_that_is_no_level_is_mentioned() {
    let settings = check(&["--log", "verbose"]).unwrap();
    assert!(settings.warnings[0].contains("verbose is no level"), "{:?}", settings.warnings);
}

#[test]
fn secrets_do_not_show() {
    let config = Only::parse_from([
        "sessionary",
        "--jwt-hs256-secret",
        "very-secret-very-secret-very-secret",
        "--database-url",
        "postgres://u:pass@h/d",
    ])
    .config;
    let shown = format!("{config:?} {:?}", config.check(std::iter::empty(), &[], &[]).unwrap());
    assert!(!shown.contains("very-secret") && !shown.contains("pass@"), "{shown}");
}
