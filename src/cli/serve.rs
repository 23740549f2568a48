//! `serve`: the service, from its first connection to its last.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::demo::Demo;
use super::home::Home;
use super::{Context, Failure};
use crate::auth::{DefaultOrg, Gate};
use crate::config::Anonymous;
use crate::conversation::{self, Conversations};
use crate::domain::OrgId;
use crate::http::listener::{self, Bounds};
use crate::http::{CostlyWork, LargeBodies, LargeBodyLimits, LowPriorityThreads, RateLimiter, SendingRate};
use crate::responders::Responders;
use crate::store::admin::AdminStore;
use crate::store::{Store, StoreSettings};
use crate::workers::webhooks::{WebhookSettings, Webhooks};
use crate::{Deployment, build_app, telemetry, workers};

/// How often senders who have their full limit again are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How long the workers may take to stop, and their connections to close, which hang when the database does.
const WORKERS_GRACE: Duration = Duration::from_secs(8);
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Args, Default)]
pub(super) struct Serve {
    /// Make the demo organization also where DATABASE_URL names the database
    #[arg(long)]
    demo: bool,
}

impl Serve {
    /// Serves until SIGTERM or SIGINT, finishes what is open, and leaves nothing running.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        // Before anything that counts is started.
        let metrics = telemetry::start_metrics();
        let stop = CancellationToken::new();
        stop_on_signals(&stop)?;
        // A setting that cannot be used, or a port that is taken, is known before anything is started.
        context.config.jwt()?;
        let listener = TcpListener::bind(context.config.listen).await.map_err(|error| {
            format!("cannot listen on {}: {error}; SESSIONARY_LISTEN names another address", context.config.listen)
        })?;

        let mut home = Home::open_to_serve(context).await?;
        // Stopped last, because some connections to the database belong to them.
        let threads = LowPriorityThreads::start()?;
        let served = self.serve(context, metrics, listener, &mut home, &threads, stop).await;
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
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let address = listener.local_addr()?;
        let demo = if self.demo || home.is_private() { Some(make_demo(context, home, address).await?) } else { None };
        let settings = StoreSettings { storage_quota: context.config.storage_quota, ..StoreSettings::default() };
        let store = Store::connect(&home.database, settings).await?;
        let admin = AdminStore::connect_workers(&home.database).await?;
        let gate = gate(context, store.clone(), address, demo.as_ref().map(|demo| demo.org_id))?;
        let gate = Arc::new(gate);
        let responders = Responders::new(context.config.responders()?)?;
        let conversations = Conversations::new(responders, context.clock.clone(), stop.clone(), conversation::GRACE);
        let webhooks =
            WebhookSettings { private_addresses: context.config.private_addresses()?, ..WebhookSettings::default() };
        let webhooks = Webhooks::new(admin.clone(), context.clock.clone(), context.mint.clone(), webhooks)?;
        let deployment = Deployment {
            contract: context.config.contract,
            cors_origins: context.config.cors_origins()?.into(),
            messaging: context.config.messaging.bounds(),
            agntix: context.config.agntix.settings()?,
            public_url: context.config.public_url()?,
            metrics,
            low_priority: threads.handle(),
            costly: CostlyWork::default().on(threads.handle()),
            large_bodies: LargeBodies::new(
                LargeBodyLimits {
                    rate: context.config.rate_limit().then_some(SendingRate::DEFAULT),
                    ..LargeBodyLimits::default()
                },
                threads.handle(),
            ),
            ..Deployment::new(Arc::clone(&gate), conversations.clone())
        };
        let app = build_app(deployment);
        let bounds = Bounds {
            trusted_proxies: context.config.trusted_proxies()?.into(),
            keep_alive: context.config.connections.keep_alive(),
            ..Bounds::of_this_process()
        };

        tracing::info!(%address, "http.listening");
        if let Some(demo) = demo {
            let data_dir = context.config.data_dir.clone();
            // On a thread of its own, because the reader of standard output may have stopped.
            std::thread::spawn(move || demo.print(&data_dir));
        }
        let housekeeping = async {
            loop {
                tokio::time::sleep(FORGET_EVERY).await;
                gate.limiter.forget_idle();
            }
        };
        let lost = async {
            home.lost().await;
            tracing::error!("the private Postgres ended by itself; its log is in the data folder");
            stop.cancel();
        };
        let working = tokio::spawn(workers::run(admin.clone(), context.clock.clone(), webhooks, stop.clone()));
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

async fn make_demo(context: &Context, home: &Home, address: SocketAddr) -> Result<Demo, Failure> {
    let admin = home.admin().await?;
    let demo = Demo::ensure(context, &admin, base_url(address)).await;
    admin.close().await;
    demo
}

fn gate(context: &Context, store: Store, address: SocketAddr, demo_org: Option<OrgId>) -> Result<Gate, Failure> {
    let config = &context.config;
    let anywhere = config.messaging_anonymous == Anonymous::Anywhere;
    let mut default_org = config.messaging_default_org()?.or(demo_org);
    if default_org.is_some() && !anywhere && !address.ip().is_loopback() {
        tracing::warn!(
            "anonymous calls to the messaging dialect are refused, since {address} is not a loopback address; \
             SESSIONARY_MESSAGING_ANONYMOUS=anywhere allows them"
        );
        default_org = None;
    }
    Ok(Gate {
        store,
        clock: context.clock.clone(),
        mint: context.mint.clone(),
        limiter: RateLimiter::new(config.rate_limit(), context.clock.clone()),
        jwt: config.jwt()?,
        trusted_proxies: config.trusted_proxies()?,
        default_org: default_org.map(|id| DefaultOrg { id, anywhere }),
    })
}

/// The first SIGTERM or SIGINT stops the service in order.
fn stop_on_signals(stop: &CancellationToken) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Acted on before it is logged, because logging is the less important of the two.
        stop.cancel();
        tracing::info!("http.stopping");
    });
    Ok(())
}

/// Where a client on this machine finds the service.
fn base_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
