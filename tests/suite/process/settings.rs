//! All settings are checked before anything is started.

use serde_json::{Value, json};

use crate::support::process::{Service, complaint, sessionary, until};

#[test]
fn everything_that_cannot_be_used_is_said_at_once_and_nothing_is_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let bad = [
        ("SESSIONARY_LISTEN", "here"),
        ("SESSIONARY_CONTRACT", "verbal"),
        ("SESSIONARY_JWT_HS256_SECRET", "hidden"),
        ("DATABASE_URL", "mysql://u:hidden@h/d"),
        ("RUST_LOG", "sessionary=loud"),
        ("SESSION_TIMEOUT_MINUTES", "soon"),
        ("SESSIONARY_SHUTDOWN_DELAY", "-1"),
    ];
    for command in [&["serve"][..], &["org", "list"], &["migrate"], &["health"]] {
        let output = sessionary(&data_dir).args(command).envs(bad).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let text = complaint(&output);
        assert!(text.contains("7 settings cannot be used") && !text.contains("hidden"), "{text}");
        for (name, _) in bad {
            assert!(text.contains(&format!("example: {name}=")), "{name}: {text}");
        }
    }
    let output = sessionary(&data_dir).args(["org", "list", "--json"]).envs(bad).output().expect("the program runs");
    let errors: Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(errors["settings"].as_array().map(Vec::len), Some(7), "{errors}");
    assert_eq!(errors["settings"][0]["setting"], "SESSIONARY_LISTEN");
    let doctor = sessionary(&data_dir).args(["doctor", "--json"]).envs(bad).output().expect("the program runs");
    assert_eq!(doctor.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    assert_eq!(report["checks"].as_array().map(Vec::len), Some(8), "{report}");
    assert!(!data_dir.exists(), "something was started");
}

#[test]
fn what_has_no_effect_is_said_in_the_log_of_a_service_and_beside_a_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let odd = [
        ("SESSIONARY_RATE_LIMTI", "off"),
        ("SESSIONARY_PUBLIC_URL", ""),
        ("SESSION_MIN_TIMEOUT_MINUTES", "90"),
        ("RUST_LOG", "info,verbose"),
    ];
    let expected = [
        "SESSIONARY_RATE_LIMTI is no setting and has no effect; did you mean SESSIONARY_RATE_LIMIT?",
        "SESSIONARY_PUBLIC_URL is empty and counts as not set",
        "SESSION_MIN_TIMEOUT_MINUTES=90 is read as 60",
        "verbose is no level",
    ];
    let service = Service::start(&data_dir, &odd);
    for part in expected {
        until("the warning is logged", || service.log().contains(part).then_some(()));
    }
    let output = sessionary(&data_dir).args(["org", "list"]).envs(odd).output().expect("the program runs");
    assert!(output.status.success());
    for part in expected {
        assert!(complaint(&output).contains(part), "{part}: {}", complaint(&output));
    }
}

#[test]
fn a_name_and_a_port_are_an_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    for (index, address) in ["localhost:0", ":0", "0"].into_iter().enumerate() {
        let mut service = Service::start(&data_dir, &[("SESSIONARY_LISTEN", address)]);
        assert!(service.base_url.starts_with("http://127.0.0.1:"), "{}", service.base_url);
        let port = service.base_url.rsplit(':').next().expect("a port").to_owned();
        let health = |port: &str| {
            let mut command = sessionary(&data_dir);
            command.args(["health", "--json"]).env("SESSIONARY_LISTEN", address.replace('0', port));
            command.output().expect("the program runs")
        };
        let ready: Value = serde_json::from_slice(&health(&port).stdout).expect("JSON");
        assert_eq!(ready, json!({"ready": true, "address": format!("127.0.0.1:{port}")}), "{index}");
        service.signal("TERM");
        assert_eq!(service.wait(), Some(0));
        let gone = health(&port);
        assert_eq!(gone.status.code(), Some(1));
        assert!(complaint(&gone).contains("nothing responds"), "{}", complaint(&gone));
    }
}

#[test]
fn a_file_of_variables_is_read_and_the_environment_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let file = folder.path().join("settings.env");
    let text =
        "# settings\nSESSIONARY_CONTRACT='verbal'\nexport SESSIONARY_RATE_LIMIT=\"maybe\"\nSESSIONARY_LISTEN=x\n";
    std::fs::write(&file, text).expect("a file");
    let path = file.to_str().expect("UTF-8");
    let output = sessionary(&data_dir).args(["--env-file", path, "org", "list"]).output().expect("the program runs");
    let said = complaint(&output);
    assert!(said.contains("SESSIONARY_CONTRACT=verbal") && said.contains("SESSIONARY_RATE_LIMIT=maybe"), "{said}");
    // SESSIONARY_LISTEN is set for every command of these tests.
    assert!(said.contains("2 settings") && !said.contains("SESSIONARY_LISTEN"), "{said}");

    std::fs::write(&file, "A=1\nthis is secret\n").expect("a file");
    for (path, part) in [(path, "line 2: there is no = in it"), ("/no/such/file", "No such file")] {
        let output = sessionary(&data_dir).arg(format!("--env-file={path}")).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1));
        assert!(complaint(&output).contains(part), "{}", complaint(&output));
        assert!(!complaint(&output).contains("secret"), "{}", complaint(&output));
    }
    assert!(!data_dir.exists());
}

#[test]
fn a_default_organization_that_does_not_exist_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let id = "3c90c3cc-0d44-4b50-8888-8dd25736052a";
    let output = sessionary(&data_dir).env("SESSIONARY_MESSAGING_DEFAULT_ORG", id).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = complaint(&output);
    assert!(said.contains(&format!("SESSIONARY_MESSAGING_DEFAULT_ORG={id}: there is no such organization")), "{said}");
}
