//! `doctor`: checks a deployment and reports problems with their remedies.

mod database;
mod nodes;
mod surroundings;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::home::Home;
use super::output::{self, Output};
use super::{Context, Failure, health};
use crate::config::SettingErrors;

#[derive(Args)]
pub(super) struct Doctor {
    /// Also send a HEAD request to every responder's endpoint, and check the environment variables that responders name
    #[arg(long)]
    responders: bool,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// A possible problem; the deployment works.
    Warn,
    Fail,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    status: Status,
    detail: String,
}

impl Check {
    fn new(name: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self { name, ok: status != Status::Fail, status, detail: detail.into() }
    }

    fn of(name: &'static str, result: Result<String, Failure>) -> Self {
        match result {
            Ok(detail) => Self::new(name, Status::Ok, detail),
            Err(failure) => Self::new(name, Status::Fail, output::text_of(&failure)),
        }
    }
}

#[derive(Serialize)]
struct DoctorReport {
    ok: bool,
    checks: Vec<Check>,
}

impl DoctorReport {
    /// Prints the checks. The exit code is 1 when one of them failed.
    fn print(checks: Vec<Check>, output: Output) -> ExitCode {
        let ok = checks.iter().all(|check| check.ok);
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        if output.json {
            output::print_json(&Self { ok, checks });
        } else {
            for Check { name, status, detail, .. } in &checks {
                let mark = match status {
                    Status::Ok => "ok  ",
                    Status::Warn => "WARN",
                    Status::Fail => "FAIL",
                };
                output::print(&format!("{mark}  {name:<width$}  {detail}\n"));
            }
        }
        if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Reports settings that cannot be used. No other check is possible without them.
pub(super) fn without_settings(output: Output, errors: &SettingErrors) -> ExitCode {
    let mut checks: Vec<Check> =
        errors.0.iter().map(|error| Check::new("settings", Status::Fail, error.to_string())).collect();
    checks.push(Check::new("other checks", Status::Warn, "skipped until every setting can be used"));
    DoctorReport::print(checks, output)
}

impl Doctor {
    pub async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let mut checks = surroundings::settings(context);
        match Home::open(context).await {
            Ok(home) => {
                database::check(&self, context, &home, &mut checks).await;
                home.close().await?;
            }
            Err(failure) => checks.push(Check::of("postgres", Err(failure))),
        }
        checks.push(surroundings::disk(context));
        checks.push(surroundings::public_url(context).await);
        let service = health::ask_ready(health::reachable(context.settings.listen)).await;
        let ready = service.map(|()| format!("ready at {}", health::reachable(context.settings.listen)));
        checks.push(Check::of("service", ready.map_err(Failure::from)));
        Ok(DoctorReport::print(checks, context.output))
    }
}
