//! `doctor`: looks at a deployment and says what is wrong with it.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::home::Home;
use super::{Context, Failure};
use crate::store::{Store, StoreSettings};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

pub(super) async fn run(context: &Context) -> Result<ExitCode, Failure> {
    let mut checks = vec![settings(context)];
    match Home::open(context).await {
        Ok(home) => {
            checks.push(Check { name: "postgres", ok: true, detail: "reachable".to_owned() });
            checks.extend(database(&home).await);
            checks.push(service(context).await);
            home.close().await?;
        }
        Err(failure) => checks.push(Check { name: "postgres", ok: false, detail: failure.to_string() }),
    }
    let ok = checks.iter().all(|check| check.ok);
    if context.output.json {
        super::output::print_json(&Report { ok, checks });
    } else {
        for check in &checks {
            let mark = if check.ok { "ok  " } else { "FAIL" };
            super::output::print(&format!("{mark}  {:<10} {}\n", check.name, check.detail));
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(name: &'static str, result: Result<String, Failure>) -> Check {
    match result {
        Ok(detail) => Check { name, ok: true, detail },
        Err(failure) => Check { name, ok: false, detail: failure.to_string() },
    }
}

fn settings(context: &Context) -> Check {
    let config = &context.config;
    check(
        "settings",
        (|| {
            config.database()?;
            config.trusted_proxies()?;
            config.cors_origins()?;
            config.messaging_default_org()?;
            let tokens = if config.jwt()?.is_some() { "tokens are taken" } else { "tokens are refused" };
            Ok(format!("readable; {tokens}"))
        })(),
    )
}

async fn database(home: &Home) -> Vec<Check> {
    let admin = async {
        let admin = home.admin().await?;
        let count = admin.organizations().await?.len();
        let open = admin.tables_without_isolation().await?;
        admin.close().await;
        if !open.is_empty() {
            return Err(format!("without row-level security: {}", open.join(", ")).into());
        }
        Ok(format!("{count} organizations, every tenant table isolated"))
    };
    let app = async {
        let settings = StoreSettings { writers: 1, readers: 1, pool: 1, ..StoreSettings::default() };
        let store = Store::connect(&home.database, settings).await?;
        store.ping().await?;
        store.close().await;
        Ok("requests are served by a role that owns nothing".to_owned())
    };
    vec![check("schema", admin.await), check("role", app.await)]
}

/// Asks the service, over HTTP as a client would, whether it is ready.
async fn service(context: &Context) -> Check {
    let address = context.config.listen;
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<String, std::io::Error>(answer)
    };
    check(
        "service",
        match tokio::time::timeout(ANSWER_WITHIN, asked).await {
            Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => Ok(format!("ready at {address}")),
            Ok(Ok(_)) => Err(format!("something answers at {address}, but is not ready").into()),
            Ok(Err(error)) => Err(format!("nothing answers at {address}: {error}").into()),
            Err(_elapsed) => Err(format!("no answer from {address} within {ANSWER_WITHIN:?}").into()),
        },
    )
}
