//! The command line (DESIGN, section 6).
//!
//! Commands use `DATABASE_URL`, or the private Postgres: beside a running service over its socket, and without one
//! by starting it for as long as they run. Answers go to standard output, everything else to standard error.

mod agent;
mod backup;
mod changes;
mod demo;
mod doctor;
mod home;
mod key;
mod org;
mod output;
mod postgres;
mod progress;
mod serve;
mod session;
mod upgrade;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::domain::{Clock, DialectName, Mint};
use crate::{dialects, telemetry};
use home::Home;
use output::Output;

/// Any error that ends a command; its text is for a person.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Sessionary: the session APIs of five agent platforms over one Postgres
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    config: Config,

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
    /// Bring the database up to date
    Migrate,
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
    /// Webhooks: who is told of Agntix's sessions
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// Print the OpenAPI document of one dialect, or of all
    Openapi { dialect: Option<DialectName> },
    /// The Postgres that runs the private database
    #[command(subcommand)]
    Postgres(postgres::Postgres),
    /// Write everything in the database to a new file
    Backup(backup::Backup),
    /// Put everything of a backup into an empty database
    Restore(backup::Restore),
    /// Move the private database to the newest major version of Postgres on this machine
    UpgradePostgres,
    /// Look at a deployment and say what is wrong with it
    Doctor,
}

#[derive(serde::Serialize)]
struct UpToDate {
    up_to_date: bool,
}

/// What commands work with.
struct Context {
    config: Config,
    clock: Clock,
    mint: Mint,
    output: Output,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let logs = telemetry::start_logs(&cli.config.log);
    let context =
        Context { config: cli.config, clock: Clock::system(), mint: Mint::system(), output: Output { json: cli.json } };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let code = match runtime.block_on(run(&context, cli.command)) {
        Ok(code) => code,
        Err(failure) => failed(&failure),
    };
    logs.close();
    code
}

fn failed(failure: &Failure) -> ExitCode {
    output::complain(failure);
    ExitCode::FAILURE
}

async fn run(context: &Context, command: Option<Command>) -> Result<ExitCode, Failure> {
    match command.unwrap_or(Command::Serve(serve::Serve::default())) {
        Command::Serve(serve) => serve.run(context).await?,
        Command::Migrate => {
            let home = Home::open(context).await?;
            home.migrate().await?;
            context.output.line("The database is up to date.", &UpToDate { up_to_date: true });
            home.close().await?;
        }
        Command::Org(command) => command.run(context).await?,
        Command::Key(command) => command.run(context).await?,
        Command::Agent(command) => command.run(context).await?,
        Command::Session(command) => command.run(context).await?,
        Command::Webhook(command) => command.run(context).await?,
        Command::Openapi { dialect } => print_openapi(dialect)?,
        Command::Postgres(command) => command.run(context).await?,
        Command::Backup(command) => command.run(context).await?,
        Command::Restore(command) => command.run(context).await?,
        Command::UpgradePostgres => upgrade::run(context).await?,
        Command::Doctor => return doctor::run(context).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// The document that `openapi/<dialect>.json` holds, to the byte; of all dialects, one object with a member each.
fn print_openapi(dialect: Option<DialectName>) -> Result<(), Failure> {
    let text = match dialect {
        Some(dialect) => openapi_text(dialect)?,
        None => {
            let all: serde_json::Map<String, serde_json::Value> = DialectName::ALL
                .into_iter()
                .map(|dialect| Ok((dialect.to_string(), serde_json::to_value(dialects::openapi(dialect))?)))
                .collect::<Result<_, serde_json::Error>>()?;
            serde_json::to_string_pretty(&all)? + "\n"
        }
    };
    output::print(&text);
    Ok(())
}

/// A dialect's OpenAPI document as it is kept in `openapi/`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn openapi_text(dialect: DialectName) -> Result<String, serde_json::Error> {
    Ok(dialects::openapi(dialect).to_pretty_json()? + "\n")
}
