//! `serve`: runs the service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use super::console_link::ConsoleLink;
use super::demo::Demo;
use super::health;
use super::home::Home;
use super::output;
use super::shutdown::Shutdown;
use super::{Context, Failure};
use crate::auth::{Authenticator, DefaultOrg, JwtVerifier, LeakReports, Operators, Provisioning, TrustedIssuers};
use crate::config::{Anonymous, Settings};
use crate::conversation::{self, Conversations};
use crate::domain::OrgId;
use crate::http::bounds::Bounds;
use crate::http::listener;
use crate::http::{CostlyWork, LargeBodies, LargeBodyLimits, LowPriorityThreads, RateLimiter, Readiness, SendingRate};
use crate::responders::{Responders, RespondersSettings};
use crate::store::admin::AdminStore;
use crate::store::{Store, StoreSettings};
use crate::workers::audit_stream::AuditStream;
use crate::workers::webhooks::{WebhookSettings, Webhooks};
use crate::{Deployment, build_app, telemetry, workers};

/// How often senders with their full limit are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Time limits for the workers to stop, and for their connections to close, which block when the database does.
const WORKERS_GRACE: Duration = Duration::from_secs(8);
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Args, Default)]
pub(super) struct Serve {
    /// Create the demo organization even if DATABASE_URL is set
    #[arg(long)]
    demo: bool,
}

impl Serve {
    /// Serves until SIGTERM or SIGINT, then finishes open requests and stops everything that it started.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        // Started before anything that records metrics.
        let metrics = telemetry::start_metrics();
        let shutdown = Shutdown::on_signals(context.settings.shutdown_delay)?;
        // Fails on a port in use before anything is started.
        let listen = context.settings.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| format!("cannot listen on {listen}: {error}; SESSIONARY_LISTEN names another address"))?;

        let mut home = Home::open_to_serve(context).await?;
        // Stopped last, because some connections to the database run on them.
        let threads = LowPriorityThreads::start()?;
        let served = self.serve(context, metrics, listener, &mut home, &threads, shutdown).await;
        let closed = home.close().await;
        drop(threads);
        served.and(closed)
    }

    async fn serve(
        &self,
        context: &Context,
        metrics: Option<PrometheusHandle>,
        listener: TcpListener,
        home: &mut Home,
        threads: &LowPriorityThreads,
        shutdown: Shutdown,
    ) -> Result<(), Failure> {
        let stop = shutdown.stop.clone();
        let config = &context.settings;
        let address = listener.local_addr()?;
        let demo = if self.demo || home.is_private() { Some(make_demo(context, home, address).await?) } else { None };
        let settings = StoreSettings { storage_quota: config.storage_quota, ..StoreSettings::default() };
        let store = Store::connect(&home.database, settings).await?;
        check_default_org(config, &store).await?;
        let admin = AdminStore::connect_workers(&home.database).await?;
        seal(context, &admin).await?;
        let demo_org = demo.as_ref().map(|demo| demo.org_id);
        let link = ConsoleLink::make(context, &admin, demo_org).await?;
        let leak_reports = config.leaked_keys.clone().map(|url| LeakReports::new(url, admin.clone()));
        let provisions = config.jwt.as_ref().is_some_and(|jwt| jwt.issuers().any(|issuer| issuer.provisions));
        let authenticator = Authenticator {
            provisioning: provisions.then(|| Provisioning::new(admin.clone())),
            ..authenticator(context, store.clone(), address, demo.as_ref().map(|demo| demo.org_id))
        };
        let authenticator = Arc::new(authenticator);
        let private_addresses = config.private_addresses.clone();
        let responders = RespondersSettings { private_addresses, ..RespondersSettings::default() };
        let responders = Responders::new(responders)?;
        let conversations = Conversations::new(responders, context.clock.clone(), stop.clone(), conversation::GRACE);
        let private_addresses = config.private_addresses.clone();
        let webhooks = WebhookSettings { private_addresses, ..WebhookSettings::default() };
        let webhooks = Webhooks::new(admin.clone(), context.clock.clone(), context.mint.clone(), webhooks)?;
        let audit_stream = config.audit_stream.clone();
        let audit_stream = audit_stream
            .map(|endpoint| AuditStream::new(admin.clone(), context.clock.clone(), endpoint))
            .transpose()?;
        let deployment = Deployment {
            contract: config.contract,
            cors_origins: config.cors_origins.clone().into(),
            messaging: config.messaging,
            agntix: config.agntix.clone(),
            public_url: config.public_url.clone(),
            operators: Operators::new(config.operators.clone(), admin.clone(), trusted_issuers(config)),
            readiness: Readiness::new(context.clock.clone()).until(shutdown.leaving.clone()),
            metrics,
            low_priority: threads.handle(),
            costly: CostlyWork::default().on(threads.handle()),
            large_bodies: LargeBodies::new(
                LargeBodyLimits {
                    rate: config.rate_limit.then_some(SendingRate::DEFAULT),
                    ..LargeBodyLimits::default()
                },
                threads.handle(),
            ),
            leak_reports: leak_reports.clone(),
            ..Deployment::new(Arc::clone(&authenticator), conversations.clone())
        };
        let app = build_app(deployment);
        let bounds = Bounds {
            trusted_proxies: config.trusted_proxies.clone().into(),
            keep_alive: config.keep_alive,
            ..Bounds::of_this_process()
        };

        tracing::info!(%address, "http.listening");
        let data_dir = config.data_dir.clone();
        let console = config.public_url.as_ref().map_or_else(|| base_url(address), ToString::to_string);
        // On a separate thread, because the reader of standard output may have stopped.
        std::thread::spawn(move || {
            let link = link.map(|link| link.text(&console)).unwrap_or_default();
            match demo {
                Some(demo) => demo.print(&data_dir, &link),
                None => output::print(&link),
            }
        });
        let housekeeping = async {
            loop {
                tokio::time::sleep(FORGET_EVERY).await;
                authenticator.limiter.forget_idle();
            }
        };
        let lost = async {
            home.lost().await;
            tracing::error!("the private Postgres ended by itself; its log is in the data folder");
            stop.cancel();
        };
        if let Some(jwt) = config.jwt.clone() {
            let (admin, clock) = (admin.clone(), context.clock.clone());
            let fetch = move |client| {
                let (jwt, admin, clock) = (jwt.clone(), admin.clone(), clock.clone());
                async move { jwt.fetch_keys(&admin, &clock, &client).await }
            };
            tokio::spawn(workers::fetch_keys(fetch, stop.clone()));
        }
        if let Some(reports) = leak_reports {
            let clock = context.clock.clone();
            let fetch = move |client| {
                let (reports, clock) = (reports.clone(), clock.clone());
                async move { reports.fetch_keys(&clock, &client).await }
            };
            tokio::spawn(workers::fetch_keys(fetch, stop.clone()));
        }
        let working =
            tokio::spawn(workers::run(admin.clone(), context.clock.clone(), webhooks, audit_stream, stop.clone()));
        let serving = listener::serve(listener, app, bounds, stop.clone());
        let mut serving = std::pin::pin!(serving);
        let was_lost = tokio::select! {
            () = serving.as_mut() => false,
            () = housekeeping => false,
            () = lost => {
                serving.await;
                true
            }
        };
        stop.cancel();
        if tokio::time::timeout(WORKERS_GRACE, working).await.is_err() {
            tracing::warn!("workers.cut_off");
        }
        if tokio::time::timeout(CLOSED_WITHIN, admin.close()).await.is_err() {
            tracing::warn!("workers.connections_lost");
        }
        conversations.close().await;
        store.close().await;
        tracing::info!("http.stopped");
        if was_lost { Err("the private Postgres ended by itself".into()) } else { Ok(()) }
    }
}

/// Returns the identity providers that external ids of organizations come from.
fn trusted_issuers(settings: &Settings) -> TrustedIssuers {
    let trusted: Vec<&str> =
        settings.jwt.iter().flat_map(JwtVerifier::issuers).filter_map(|issuer| issuer.issuer.as_deref()).collect();
    let only = if trusted.len() == 1 { trusted.first().copied() } else { None };
    TrustedIssuers { default: settings.jwt_issuer.as_deref().or(only).map(str::to_owned), count: trusted.len() }
}

/// Checks that the keys of the settings open what is sealed in the database, so that no delivery fails for lack of a key,
/// and seals the secrets that were stored in clear.
async fn seal(context: &Context, admin: &AdminStore) -> Result<(), Failure> {
    let sealed = async {
        admin.check_sealing().await?;
        if context.settings.sealing_keys.is_none() {
            return Ok(0);
        }
        admin.seal_secrets(context.clock.now(), &context.mint).await
    };
    match sealed.await {
        Ok(0) => Ok(()),
        Ok(secrets) => {
            tracing::info!(secrets, "secrets.sealed");
            Ok(())
        }
        Err(error) if admin.may_go_on_after(&error) => {
            tracing::warn!(%error, "secrets.not_checked");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn make_demo(context: &Context, home: &Home, address: SocketAddr) -> Result<Demo, Failure> {
    let admin = home.admin().await?;
    let demo = Demo::ensure(context, &admin, base_url(address)).await;
    admin.close().await;
    demo
}

/// Checks that the organization of anonymous calls exists.
async fn check_default_org(settings: &Settings, store: &Store) -> Result<(), Failure> {
    let Some(id) = settings.messaging_default_org else { return Ok(()) };
    match store.directory().organization(id).await? {
        None => Err(Settings::rejects_default_org(id, "there is no such organization").into()),
        Some(organization) => {
            if organization.disabled_at.is_some() {
                tracing::warn!(organization = %id, "the organization of SESSIONARY_MESSAGING_DEFAULT_ORG is disabled");
            }
            Ok(())
        }
    }
}

fn authenticator(context: &Context, store: Store, address: SocketAddr, demo_org: Option<OrgId>) -> Authenticator {
    let settings = &context.settings;
    let anywhere = settings.messaging_anonymous == Anonymous::Anywhere;
    let mut default_org = settings.messaging_default_org.or(demo_org);
    if default_org.is_some() && !anywhere && !address.ip().is_loopback() {
        tracing::warn!(
            "anonymous calls to the messaging dialect are rejected, because {address} is not a loopback address; \
             SESSIONARY_MESSAGING_ANONYMOUS=anywhere allows them"
        );
        default_org = None;
    }
    Authenticator {
        store,
        clock: context.clock.clone(),
        mint: context.mint.clone(),
        limiter: RateLimiter::new(settings.rate_limit, context.clock.clone())
            .with_total_factor(settings.total_rate_factor),
        jwt: settings.jwt.clone(),
        provisioning: None,
        trusted_proxies: settings.trusted_proxies.clone(),
        default_org: default_org.map(|id| DefaultOrg { id, anywhere }),
    }
}

/// Returns the URL of the service for a client on this machine.
fn base_url(address: SocketAddr) -> String {
    format!("http://{}", health::reachable(address))
}
