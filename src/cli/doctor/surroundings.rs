//! Checks around the database: settings, disk, the public address, and endpoints.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use url::Url;

use super::{Check, Status};
use crate::cli::Context;
use crate::cli::output::text_of;
use crate::domain::Responder;
use crate::outbound::{Client, PrivateAddresses, Unsent};
use crate::responders::environment;
use crate::store::admin::AdminStore;

/// How long an endpoint may take to respond.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Limits of the checked responders and of simultaneous requests to them.
const MAX_RESPONDERS: i64 = 200;
const AT_ONCE: usize = 8;
/// Free space of a disk below which the check warns, and below which it fails because writes soon will.
const WARN_FREE: u64 = 2 << 30;
const MIN_FREE: u64 = 256 << 20;

pub(super) fn settings(context: &Context) -> Vec<Check> {
    let settings = &context.settings;
    let mut checks: Vec<Check> =
        settings.warnings.iter().map(|warning| Check::new("settings", Status::Warn, warning.as_str())).collect();
    if checks.is_empty() {
        checks.push(Check::new("settings", Status::Ok, "every setting can be used"));
    }
    checks.push(tokens(context));
    checks.push(proxies(context));
    checks
}

fn tokens(context: &Context) -> Check {
    let Some(verifier) = &context.settings.jwt else {
        return Check::new("tokens", Status::Ok, "JSON Web Tokens are rejected: no key is set");
    };
    let any_issuer = verifier.issuers().any(|issuer| issuer.issuer.is_none());
    let any_audience =
        verifier.issuers().any(|issuer| issuer.audiences.is_empty() && issuer.authorized_parties.is_empty());
    let unchecked = [("SESSIONARY_JWT_ISSUER", any_issuer), ("SESSIONARY_JWT_AUDIENCE", any_audience)];
    let unchecked: Vec<&str> = unchecked.iter().filter(|(_, is_open)| *is_open).map(|(name, _)| *name).collect();
    let names: Vec<&str> = verifier.issuers().filter_map(|issuer| issuer.issuer.as_deref()).collect();
    match (names.len(), unchecked.as_slice()) {
        (0 | 1, []) => {
            Check::new("tokens", Status::Ok, "JSON Web Tokens are accepted; issuer and audience are checked")
        }
        (count, []) => {
            let text = format!("JSON Web Tokens of {count} issuers are accepted: {}", names.join(", "));
            Check::new("tokens", Status::Ok, text)
        }
        (0 | 1, unchecked) => {
            let text = format!(
                "JSON Web Tokens are accepted from every issuer or for every audience that the key signs for; set {}",
                unchecked.join(" and ")
            );
            Check::new("tokens", Status::Warn, text)
        }
        (count, _) => {
            let text = format!(
                "JSON Web Tokens of {count} issuers are accepted, of some for every audience; set `audiences` or \
                 `authorized_parties` of each in SESSIONARY_JWT_ISSUERS"
            );
            Check::new("tokens", Status::Warn, text)
        }
    }
}

fn proxies(context: &Context) -> Check {
    let settings = &context.settings;
    let everyone = settings.trusted_proxies.iter().find(|network| network.prefix_len() == 0);
    if let Some(network) = everyone {
        let text = format!("{network} lets every client choose its own address; name the proxies' networks");
        return Check::new("proxies", Status::Fail, text);
    }
    let is_behind_one = settings.public_url.as_ref().is_some_and(|url| url.to_string().starts_with("https://"));
    match settings.trusted_proxies.len() {
        0 if is_behind_one => Check::new(
            "proxies",
            Status::Warn,
            "the public URL is https, so that a proxy is in front, but SESSIONARY_TRUSTED_PROXIES names none: every \
             client counts as the proxy's address",
        ),
        0 => Check::new("proxies", Status::Ok, "none is trusted; clients are known by their connection's address"),
        count => Check::new("proxies", Status::Ok, format!("{count} networks are trusted")),
    }
}

/// Checks the disk of the data folder, or of the nearest parent folder that exists.
pub(super) fn disk(context: &Context) -> Check {
    let absolute = std::path::absolute(&context.settings.data_dir).unwrap_or_default();
    let Some(folder) = absolute.ancestors().find(|folder| folder.exists()) else {
        return Check::new("disk", Status::Warn, "the data folder cannot be checked");
    };
    match free(folder) {
        Ok(free) => {
            let text = format!("{} MB are free at {}", free >> 20, folder.display());
            let status = match free {
                ..MIN_FREE => Status::Fail,
                MIN_FREE..WARN_FREE => Status::Warn,
                _ => Status::Ok,
            };
            Check::new("disk", status, text)
        }
        Err(error) => Check::new("disk", Status::Warn, format!("{} cannot be checked: {error}", folder.display())),
    }
}

fn free(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Requests the service at the address that clients use.
pub(super) async fn public_url(context: &Context) -> Check {
    const NAME: &str = "public URL";
    let Some(base) = &context.settings.public_url else {
        let is_local = context.settings.listen.ip().is_loopback();
        let text = "not set; URLs of images begin with the host that a request names";
        return Check::new(NAME, if is_local { Status::Ok } else { Status::Warn }, text);
    };
    let Ok(url) = Url::parse(&format!("{base}/livez")) else {
        return Check::new(NAME, Status::Fail, format!("{base} cannot be read"));
    };
    // The address may be on this machine or in its network.
    match head(&PrivateAddresses::Allowed, &url).await {
        Ok(200) => Check::new(NAME, Status::Ok, format!("{base} reaches a service")),
        Ok(status) => {
            let text = format!("{url} responds with {status}, not with 200; check the proxy's routes");
            Check::new(NAME, Status::Fail, text)
        }
        Err(problem) => {
            let text = format!("{url} cannot be reached from here: {problem}; it may still be reachable for clients");
            Check::new(NAME, Status::Warn, text)
        }
    }
}

/// Sends a HEAD request to the endpoint of every responder, and checks the variables that they name.
pub(super) async fn responders(context: &Context, admin: &AdminStore, checks: &mut Vec<Check>) {
    let responders = match admin.responders(MAX_RESPONDERS).await {
        Ok(responders) => responders,
        Err(error) => return checks.push(Check::of("responders", Err(error.into()))),
    };
    let mut endpoints: BTreeMap<String, Url> = BTreeMap::new();
    let mut variables: Vec<&str> = Vec::new();
    for responder in &responders {
        let (url, variable) = match responder {
            Responder::None | Responder::Echo => continue,
            Responder::OpenAi(openai) => (&openai.base_url, &openai.key_env),
            Responder::Webhook(webhook) => (&webhook.url, &webhook.secret_env),
        };
        endpoints.entry(format!("{url:?}")).or_insert_with(|| url.as_url().clone());
        variables.extend(variable.as_ref().map(|name| name.as_str()));
    }
    variables.sort_unstable();
    variables.dedup();
    for name in variables.into_iter().filter(|name| environment(name).is_none()) {
        let text = format!("a responder needs the variable {name}, which is not set here");
        checks.push(Check::new("responders", Status::Fail, text));
    }
    if endpoints.is_empty() {
        return checks.push(Check::new("responders", Status::Ok, "none has an endpoint"));
    }
    let addresses = &context.settings.private_addresses;
    let asked = endpoints.into_iter().map(|(name, url)| async move {
        match head(addresses, &url).await {
            Ok(status) => Check::new("responders", Status::Ok, format!("{name} responds ({status} to HEAD)")),
            Err(problem) => Check::new("responders", Status::Fail, format!("{name}: {problem}")),
        }
    });
    let mut asked: Vec<Check> = futures::stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    asked.sort_by(|one, other| one.detail.cmp(&other.detail));
    checks.append(&mut asked);
}

/// Sends a HEAD request. Returns the status of the response.
async fn head(addresses: &PrivateAddresses, url: &Url) -> Result<u16, String> {
    let client = Client::new(addresses.clone(), TIMEOUT).map_err(|error| text_of(&error.into()))?;
    let request = client.head(url).map_err(|error| error.to_string())?;
    match request.timeout(TIMEOUT).send().await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(match Unsent::from(error) {
            Unsent::Unreachable => "no connection, or no response in time",
            Unsent::ForbiddenAddress => "it is at a private address; SESSIONARY_RESPONDERS_PRIVATE allows some",
            Unsent::NotHttp => "what responds speaks another protocol",
        }
        .to_owned()),
    }
}
