//! `webhook create`, `webhook list`, `webhook delete`, `webhook deliveries`, `webhook resend`.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::output::Done;
use super::{Context, Failure, org};
use crate::domain::responder::HttpUrl;
use crate::domain::{DeliveryId, OrgId, SessionId, Timestamp, WebhookEvent, WebhookId};
use crate::outbound::signature;
use crate::store::admin::{AdminStore, DeliveryRow, NewWebhook};

#[derive(Subcommand)]
pub(super) enum Webhook {
    /// Register an endpoint that is told of Agntix's sessions from now on; its secret is shown this once
    Create(Create),
    /// List the endpoints of an organization
    List {
        #[arg(long)]
        org: String,
    },
    /// Forget an endpoint, and what it was still to be told
    Delete {
        /// The endpoint's id
        id: WebhookId,
    },
    /// List what endpoints were and are still to be told, newest first
    Deliveries {
        #[arg(long)]
        org: String,
        /// Only what is no longer tried
        #[arg(long)]
        failed: bool,
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Deliver something again that was delivered, or has failed
    Resend {
        /// The delivery's id, msg_…
        id: DeliveryId,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// The organization's UUID or external id
    #[arg(long)]
    org: String,
    /// Where to post
    #[arg(long)]
    url: HttpUrl,
    /// What to tell of, between commas
    #[arg(long, value_delimiter = ',', default_values_t = WebhookEvent::ALL)]
    events: Vec<WebhookEvent>,
}

/// An endpoint that was registered. The only place where a secret is shown.
#[derive(Serialize)]
struct Made {
    webhook_id: WebhookId,
    org_id: OrgId,
    url: String,
    events: Vec<WebhookEvent>,
    secret: String,
}

#[derive(Serialize)]
struct Shown {
    webhook_id: Uuid,
    url: String,
    events: Vec<String>,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct Delivery {
    delivery_id: String,
    webhook_id: Uuid,
    session_id: String,
    event: String,
    /// `waiting`, `delivered` or `failed`.
    state: &'static str,
    attempts: i32,
    queued_at: Timestamp,
    next_attempt_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    last_status: Option<i16>,
    last_error: Option<String>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            delivery_id: DeliveryId(row.delivery_id).to_string(),
            webhook_id: row.webhook_id,
            session_id: SessionId(row.session_id).to_agntix(),
            event: row.event,
            state: match (row.delivered_at, row.failed_at) {
                (Some(_), _) => "delivered",
                (_, Some(_)) => "failed",
                _ => "waiting",
            },
            attempts: row.attempts,
            queued_at: row.queued_at,
            next_attempt_at: row.next_attempt_at,
            delivered_at: row.delivered_at,
            failed_at: row.failed_at,
            last_status: row.last_status,
            last_error: row.last_error,
        }
    }
}

impl Delivery {
    fn sentence(&self) -> String {
        let came = match (self.last_status, &self.last_error) {
            (Some(status), _) => format!("  {status}"),
            (None, Some(error)) => format!("  {error}"),
            (None, None) => String::new(),
        };
        let Self { delivery_id, event, session_id, state, attempts, .. } = self;
        format!("{delivery_id}  {event}  {session_id}  {state}  {attempts}{came}")
    }
}

impl Webhook {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match self {
            Self::Create(create) => {
                let made = make(context, admin, create).await?;
                context.output.line(&made.secret, &made);
                Ok(())
            }
            Self::List { org } => {
                let org = org::find(admin, &org).await?;
                let rows: Vec<Shown> = admin
                    .webhooks(org)
                    .await?
                    .into_iter()
                    .map(|row| Shown {
                        webhook_id: row.webhook_id,
                        url: row.url,
                        events: row.events,
                        created_at: row.created_at,
                    })
                    .collect();
                context.output.rows("webhooks", &rows, |row| {
                    format!("{}  {}  {}", row.webhook_id, row.url, row.events.join(","))
                });
                Ok(())
            }
            Self::Delete { id } => {
                admin.delete_webhook(id).await?;
                context.output.line(&format!("Webhook {id} is deleted."), &Done { ok: true });
                Ok(())
            }
            Self::Deliveries { org, failed, limit } => {
                let org = org::find(admin, &org).await?;
                let rows: Vec<Delivery> =
                    admin.deliveries(org, failed, limit).await?.into_iter().map(Delivery::from).collect();
                context.output.rows("deliveries", &rows, Delivery::sentence);
                Ok(())
            }
            Self::Resend { id } => {
                admin.resend_delivery(id, context.clock.now()).await?;
                context.output.line(&format!("Delivery {id} is on again."), &Done { ok: true });
                Ok(())
            }
        })
        .await
    }
}

/// Registers an endpoint under a secret of its own.
async fn make(context: &Context, admin: &AdminStore, mut create: Create) -> Result<Made, Failure> {
    let org = org::find(admin, &create.org).await?;
    create.events.sort_unstable();
    create.events.dedup();
    let (id, secret) = (WebhookId(context.mint.uuid()), signature::secret(&context.mint));
    let (url, events, created_at) = (&create.url, &create.events[..], context.clock.now());
    admin.create_webhook(&NewWebhook { id, org, url, secret: &secret, events, created_at }).await?;
    Ok(Made {
        webhook_id: id,
        org_id: org,
        url: create.url.into(),
        events: create.events,
        secret: secret.expose_secret().to_owned(),
    })
}
