//! The command line (docs/command-line.md).
//!
//! Commands use `DATABASE_URL`, or the private Postgres: over the socket of a running service, or by starting it for as
//! long as they run. Results go to standard output, everything else to standard error.

mod agent;
mod audit;
mod backup;
mod changes;
mod console_link;
mod dashboard;
mod demo;
mod doctor;
mod env_file;
mod erase;
mod health;
mod home;
mod key;
mod migrate;
mod org;
mod output;
mod postgres;
mod progress;
mod secrets;
mod serve;
mod session;
mod shutdown;
mod transfer;
mod upgrade;
mod user;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, SettingErrors, Settings};
use crate::domain::{ApiName, Clock, Mint};
use crate::{dialects, store, telemetry};
use migrate::Migrate;
use output::Output;

/// Any error that ends a command. Its text is for users.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The version, and the newest migration that this program knows, which determines the schemas that it can use.
static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (schema {:04})", env!("CARGO_PKG_VERSION"), store::newest_migration()));

/// Sessionary: the session APIs of five agent platforms over one Postgres
#[derive(Parser)]
#[command(version = VERSION.as_str(), propagate_version = true)]
struct Cli {
    #[command(flatten)]
    config: Config,

    /// File of environment variables, one NAME=value per line; may be repeated. Variables that are already set take
    /// precedence
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Vec<PathBuf>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default)
    Serve(serve::Serve),
    /// Migrate the database
    Migrate(Migrate),
    /// Move shards of a distributed database until every node has its share
    Rebalance,
    /// Organizations
    #[command(subcommand)]
    Org(org::Org),
    /// API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Agents
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Sessions
    #[command(subcommand)]
    Session(session::Session),
    /// Erase a user, a session or an organization, and show the receipt
    Erase(erase::Erase),
    /// The figures of Agnost's dashboard
    #[command(subcommand)]
    Dashboard(dashboard::Dashboard),
    /// Webhooks: endpoints that are notified of Agntix's sessions
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// The secrets of webhooks, and the keys that they are sealed with
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// The audit log: who did what to an organization
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print the OpenAPI document of one API (a dialect, or sessionary), or of all
    Openapi { api: Option<ApiName> },
    /// The Postgres that runs the private database
    #[command(subcommand)]
    Postgres(postgres::Postgres),
    /// Write everything in the database to a new file
    Backup(backup::Backup),
    /// Restore a backup into an empty database
    Restore(backup::Restore),
    /// Move the private database to the newest major version of Postgres on this machine
    UpgradePostgres,
    /// Check a deployment: settings, database, service and its environment
    Doctor(doctor::Doctor),
    /// Ask the service at SESSIONARY_LISTEN whether it is ready; exits with 1 when it is not
    Health,
}

/// What commands use.
struct Context {
    settings: Settings,
    clock: Clock,
    mint: Mint,
    output: Output,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    // Replaces this process if there are files, because their variables are for the whole process.
    if let Err(failure) = env_file::apply() {
        return failed(Output { json: false }, &failure);
    }
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let output = Output { json: cli.json };
    let settings = check(&cli.config, &matches);
    let logs = telemetry::start_logs(cli.config.log());
    let code = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(settings, output, cli.command.unwrap_or_default())))
        .unwrap_or_else(|failure| failed(output, &failure));
    logs.close();
    code
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(serve::Serve::default())
    }
}

/// Checks all settings against the environment.
fn check(config: &Config, matches: &ArgMatches) -> Result<Settings, SettingErrors> {
    let command = Cli::command();
    let variables = || command.get_arguments().filter_map(|argument| Some((argument, argument.get_env()?.to_str()?)));
    let known: Vec<&str> = variables().map(|(_, name)| name).collect();
    let is_empty = |id: &str| {
        let is_given = matches.value_source(id).is_some_and(|source| source != ValueSource::DefaultValue);
        let values = || matches.get_raw(id).into_iter().flatten();
        is_given && values().all(|value| value.to_str().is_some_and(|text| text.trim().is_empty()))
    };
    let empty: Vec<&str> =
        variables().filter(|(argument, _)| is_empty(argument.get_id().as_str())).map(|(_, name)| name).collect();
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config.check(environment, &known, &empty)
}

#[derive(serde::Serialize)]
struct ErrorObject {
    error: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<SettingObject>,
}

#[derive(serde::Serialize)]
struct SettingObject {
    setting: &'static str,
    value: Option<String>,
    problem: String,
    allowed: &'static str,
    example: &'static str,
}

impl SettingObject {
    fn of(errors: &SettingErrors) -> Vec<Self> {
        let object = |error: &crate::config::SettingError| Self {
            setting: error.setting.name,
            value: error.value.clone(),
            problem: error.problem.clone(),
            allowed: error.setting.allowed,
            example: error.setting.example,
        };
        errors.0.iter().map(object).collect()
    }
}

/// Reports to standard error why a command failed.
fn failed(output: Output, failure: &Failure) -> ExitCode {
    if output.json {
        let settings = failure.downcast_ref::<SettingErrors>().map(SettingObject::of).unwrap_or_default();
        let object = ErrorObject { error: output::text_of(failure), settings };
        output::write_error(serde_json::to_string(&object).unwrap_or_else(|_| object.error.clone()));
    } else {
        output::complain(failure);
    }
    ExitCode::FAILURE
}

async fn run(settings: Result<Settings, SettingErrors>, output: Output, command: Command) -> Result<ExitCode, Failure> {
    let settings = match (&command, settings) {
        (Command::Openapi { api }, _) => {
            print_openapi(*api)?;
            return Ok(ExitCode::SUCCESS);
        }
        (Command::Doctor(_), Err(errors)) => return Ok(doctor::without_settings(output, &errors)),
        (_, settings) => settings?,
    };
    let warns_in_log = matches!(command, Command::Serve(_));
    for warning in settings.warnings.iter().filter(|_| !matches!(command, Command::Doctor(_))) {
        if warns_in_log {
            tracing::warn!(warning, "config.warning");
        } else {
            output::write_error(format!("sessionary: warning: {warning}"));
        }
    }
    let context = &Context { settings, clock: Clock::system(), mint: Mint::system(), output };
    match command {
        Command::Serve(serve) => serve.run(context).await?,
        Command::Migrate(command) => command.run(context).await?,
        Command::Rebalance => migrate::rebalance(context).await?,
        Command::Org(command) => command.run(context).await?,
        Command::Key(command) => command.run(context).await?,
        Command::Agent(command) => command.run(context).await?,
        Command::Session(command) => command.run(context).await?,
        Command::Erase(command) => command.run(context).await?,
        Command::Dashboard(command) => command.run(context).await?,
        Command::Webhook(command) => command.run(context).await?,
        Command::Secrets(command) => command.run(context).await?,
        Command::Audit(command) => return command.run(context).await,
        Command::Openapi { api } => print_openapi(api)?,
        Command::Postgres(command) => command.run(context).await?,
        Command::Backup(command) => command.run(context).await?,
        Command::Restore(command) => command.run(context).await?,
        Command::UpgradePostgres => upgrade::run(context).await?,
        Command::Doctor(doctor) => return doctor.run(context).await,
        Command::Health => health::run(context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the document of an API, identical to `openapi/<api>.json`; for all of them, one object with a member
/// for each.
fn print_openapi(api: Option<ApiName>) -> Result<(), Failure> {
    let text = match api {
        Some(api) => openapi_text(api)?,
        None => {
            let all: serde_json::Map<String, serde_json::Value> = ApiName::ALL
                .into_iter()
                .map(|api| Ok((api.to_string(), serde_json::to_value(dialects::openapi(api))?)))
                .collect::<Result<_, serde_json::Error>>()?;
            serde_json::to_string_pretty(&all)? + "\n"
        }
    };
    output::print(&text);
    Ok(())
}

/// Returns an API's OpenAPI document as it is stored in `openapi/`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn openapi_text(api: ApiName) -> Result<String, serde_json::Error> {
    Ok(dialects::openapi(api).to_pretty_json()? + "\n")
}
