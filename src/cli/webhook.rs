//! `webhook create`, `webhook list`, `webhook enable`, `webhook delete`, `webhook deliveries`, `webhook resend`.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::output::Table;
use super::{Context, Failure, org};
use crate::domain::responder::HttpUrl;
use crate::domain::webhook::Subscription;
use crate::domain::{DeliveryId, DialectName, OrgId, SessionId, Timestamp, WebhookEvent, WebhookId};
use crate::outbound::signature;
use crate::store::admin::{AdminStore, DeliveryRow, NewWebhook, WebhookRow};

#[derive(Subcommand)]
pub(super) enum Webhook {
    /// Register an endpoint for events of sessions; its secret is shown only once
    Create(Create),
    /// List the endpoints of an organization
    List {
        #[arg(long)]
        org: String,
    },
    /// Resume deliveries to an endpoint that is disabled or paused
    Enable {
        /// The endpoint's id
        id: WebhookId,
    },
    /// Delete an endpoint with its deliveries
    Delete {
        /// The endpoint's id
        id: WebhookId,
    },
    /// List deliveries, newest first
    Deliveries {
        #[arg(long)]
        org: String,
        /// Only those that have failed
        #[arg(long)]
        failed: bool,
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Deliver an event again that was delivered or has failed
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
    /// The URL of the endpoint
    #[arg(long)]
    url: HttpUrl,
    /// The events to deliver, separated by commas: session.created, session.ended, session.expired, message.created
    #[arg(long, value_delimiter = ',', default_values_t = WebhookEvent::DEFAULT)]
    events: Vec<WebhookEvent>,
    /// Whose sessions' events to deliver, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = DialectName::ALL)]
    dialects: Vec<DialectName>,
}

/// A new endpoint. This is the only output that shows a secret.
#[derive(Serialize)]
struct Made {
    webhook_id: WebhookId,
    org_id: OrgId,
    url: String,
    events: Vec<WebhookEvent>,
    dialects: Vec<&'static str>,
    secret: String,
}

#[derive(Serialize)]
struct ShownWebhook {
    webhook_id: Uuid,
    url: String,
    events: Vec<String>,
    dialects: Vec<&'static str>,
    created_at: Timestamp,
    /// `enabled`, `paused` or `disabled`.
    state: &'static str,
    paused_until: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
}

impl ShownWebhook {
    fn of(row: WebhookRow, now: Timestamp) -> Self {
        let paused_until = row.paused_until.filter(|until| *until > now);
        let state = match (row.disabled_at, paused_until) {
            (Some(_), _) => "disabled",
            (None, Some(_)) => "paused",
            (None, None) => "enabled",
        };
        let WebhookRow { webhook_id, url, events, dialects, created_at, disabled_at, .. } = row;
        let dialects = dialects.into_iter().filter_map(DialectName::from_code).map(DialectName::as_str).collect();
        Self { webhook_id, url, events, dialects, created_at, state, paused_until, disabled_at }
    }

    fn cells(&self) -> Vec<String> {
        let (id, created) = (self.webhook_id.to_string(), self.created_at.to_rfc3339());
        vec![id, self.events.join(","), self.dialects.join(","), created, self.state.to_owned(), self.url.clone()]
    }
}

#[derive(Serialize)]
struct Delivery {
    delivery_id: String,
    webhook_id: Uuid,
    /// `None` if a later version wrote it.
    dialect: Option<&'static str>,
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
        let (dialect, session) = (DialectName::from_code(row.dialect), SessionId(row.session_id));
        Self {
            delivery_id: DeliveryId(row.delivery_id).to_string(),
            webhook_id: row.webhook_id,
            dialect: dialect.map(DialectName::as_str),
            session_id: if dialect == Some(DialectName::Agntix) { session.to_agntix() } else { session.to_string() },
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
    fn cells(&self) -> Vec<String> {
        let outcome = match (self.last_status, &self.last_error) {
            (Some(status), _) => status.to_string(),
            (None, Some(error)) => error.clone(),
            (None, None) => "-".to_owned(),
        };
        let Self { delivery_id, event, session_id, state, attempts, .. } = self;
        let (state, attempts) = ((*state).to_owned(), attempts.to_string());
        vec![delivery_id.clone(), event.clone(), session_id.clone(), state, attempts, outcome]
    }
}

const TABLE: Table<'_> = Table { name: "webhooks", heads: &["id", "events", "dialects", "created", "state", "url"] };
const DELIVERIES: Table<'_> =
    Table { name: "deliveries", heads: &["id", "event", "session", "state", "attempts", "last result"] };

#[derive(Serialize)]
struct Enabled {
    webhook_id: WebhookId,
    state: &'static str,
}

#[derive(Serialize)]
struct Deleted {
    webhook_id: WebhookId,
    deleted: bool,
}

#[derive(Serialize)]
struct Resent {
    delivery_id: String,
    state: &'static str,
    next_attempt_at: Timestamp,
}

impl Webhook {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        administer(context, async |admin| match self {
            Self::Create(create) => {
                let made = make(context, admin, create).await?;
                let events: Vec<&str> = made.events.iter().map(|event| event.as_str()).collect();
                let details = [
                    ("id", made.webhook_id.to_string()),
                    ("organization", made.org_id.to_string()),
                    ("url", made.url.clone()),
                    ("events", events.join(",")),
                    ("dialects", made.dialects.join(",")),
                    ("secret", made.secret.clone()),
                ];
                let sentence = format!("Created webhook {}. Its secret is not shown again.", made.webhook_id);
                context.output.details(&sentence, &details, &made);
                Ok(())
            }
            Self::List { org } => {
                let org = org::find(admin, &org).await?;
                let now = context.clock.now();
                let rows: Vec<ShownWebhook> =
                    admin.webhooks(org).await?.into_iter().map(|row| ShownWebhook::of(row, now)).collect();
                context.output.table(&TABLE, &rows, ShownWebhook::cells);
                Ok(())
            }
            Self::Enable { id } => {
                admin.enable_webhook(id, context.clock.now()).await?;
                let sentence = format!("Webhook {id} is enabled: it is notified of what happens from now on.");
                context.output.line(&sentence, &Enabled { webhook_id: id, state: "enabled" });
                Ok(())
            }
            Self::Delete { id } => {
                admin.delete_webhook(id).await?;
                let sentence = format!("Webhook {id} is deleted with its deliveries; one that is under way arrives.");
                context.output.line(&sentence, &Deleted { webhook_id: id, deleted: true });
                Ok(())
            }
            Self::Deliveries { org, failed, limit } => {
                let org = org::find(admin, &org).await?;
                let rows: Vec<Delivery> =
                    admin.deliveries(org, failed, limit).await?.into_iter().map(Delivery::from).collect();
                context.output.table(&DELIVERIES, &rows, Delivery::cells);
                Ok(())
            }
            Self::Resend { id } => {
                let now = context.clock.now();
                admin.resend_delivery(id, now).await?;
                let sentence =
                    format!("Delivery {id} is queued again: it is attempted now, and for a day if it fails.");
                let resent = Resent { delivery_id: id.to_string(), state: "waiting", next_attempt_at: now };
                context.output.line(&sentence, &resent);
                Ok(())
            }
        })
        .await
    }
}

/// Registers an endpoint with a new secret.
async fn make(context: &Context, admin: &AdminStore, create: Create) -> Result<Made, Failure> {
    let org = org::find(admin, &create.org).await?;
    let (id, secret) = (WebhookId(context.mint.uuid()), signature::secret(&context.mint));
    let subscription = &Subscription::new(create.events, create.dialects);
    let (url, created_at) = (&create.url, context.clock.now());
    admin
        .create_webhook(&NewWebhook { id, org, url, secret: &secret, subscription, created_at }, &context.mint)
        .await?;
    Ok(Made {
        webhook_id: id,
        org_id: org,
        url: create.url.into(),
        events: subscription.events().to_vec(),
        dialects: subscription.dialects().iter().map(|dialect| dialect.as_str()).collect(),
        secret: secret.expose_secret().to_owned(),
    })
}
