//! `audit list` and `audit verify`.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use std::process::Command;

use serde_json::{Value, json};

use crate::support::process::{json_of, sessionary};
use crate::support::{DATABASE, TestApp, connection, database_url, run};

#[test]
fn the_log_names_who_ran_a_command_and_its_faults_are_found() {
    let (org, url) = run(async { (TestApp::new().await.org, database_url(DATABASE).await) });
    let (folder, name) = (tempfile::tempdir().expect("a folder"), org.to_string());
    let command = |arguments: &[&str]| {
        let mut command = sessionary(folder.path());
        command.env_remove("SUDO_USER").env("DATABASE_URL", &url).args(arguments);
        command
    };
    json_of(&mut command(&["org", "storage", &name, "--quota", "1000"]));
    let of_quotas = ["audit", "list", &name, "--action", "organization.quota"];
    let entry = json_of(&mut command(&of_quotas))["entries"][0].clone();
    let user = Command::new("id").arg("-un").output().expect("a user");
    let user = String::from_utf8(user.stdout).expect("a name");
    assert_eq!((&entry["actor_kind"], &entry["actor"]), (&json!("command_line"), &json!(user.trim())));
    assert_eq!((&entry["before"]["quota_bytes"], &entry["after"]["quota_bytes"]), (&Value::Null, &json!(1000)));
    assert_eq!((&entry["number"], &entry["target"]), (&json!(5), &json!(format!("organization/{name}"))));
    let since_tomorrow = ["audit", "list", &name, "--since", "2999-01-01"];
    assert_eq!(json_of(&mut command(&since_tomorrow)), json!({"entries": []}));
    assert!(!command(&["audit", "list", &name, "--action", "nothing"]).output().expect("a run").status.success());

    let verified = json_of(&mut command(&["audit", "verify", &name]));
    let head = json!({"number": 5, "hash": entry["hash"]});
    assert_eq!(verified, json!({"logs": [{"org_id": name, "entries": 5, "head": head, "faults": []}]}));

    run(async {
        let mut superuser = connection("postgres", DATABASE).await;
        for statement in [
            "UPDATE audit_entries SET actor = 'nobody' WHERE org_id = $1 AND number = 5",
            "DELETE FROM audit_entries WHERE org_id = $1 AND number = 3",
        ] {
            sqlx::query(statement).bind(org).execute(&mut superuser).await.expect("a change");
        }
    });
    let output = command(&["audit", "verify", &name]).output().expect("a run");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("a text");
    assert!(text.contains("entry 3 is missing; entry 5 was changed"), "{text}");
}
