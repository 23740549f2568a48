//! The webhook endpoints of organizations and their deliveries.
//!
//! An entry of the feed becomes a delivery per endpoint that subscribed to it ([`fan_out`](AdminStore::fan_out)). The
//! expiry of a session, which is a state and no change, becomes an entry of the feed if an endpoint wants it
//! ([`report_expiries`](AdminStore::report_expiries)). A delivery is leased to the replica that attempts it ([`lease_deliveries`](AdminStore::lease_deliveries)) until its
//! outcome is stored or the lease runs out. Any number of replicas can do either at once.

mod expiries;
mod fan_out;
mod history;
mod lease;

pub use fan_out::Waiting;
pub use history::{Backlog, DeliveryRow};
pub use lease::{Attempted, EndpointChange, LeaseTerms, Leased, Next};

use secrecy::SecretString;
use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::responder::HttpUrl;
use crate::domain::webhook::Subscription;
use crate::domain::{Action, Mint, OrgId, Timestamp, WebhookId};
use crate::store::audit::{self, Entry, WebhookView};
use crate::store::webhooks::{follow, subscribe};
use crate::store::{scope, sealing};

/// Converts a number of rows for `LIMIT`.
fn as_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub struct NewWebhook<'a> {
    pub id: WebhookId,
    pub org: OrgId,
    pub url: &'a HttpUrl,
    /// The secret that deliveries are signed with.
    pub secret: &'a SecretString,
    pub subscription: &'a Subscription,
    pub created_at: Timestamp,
}

#[derive(Debug)]
pub struct WebhookRow {
    pub webhook_id: Uuid,
    pub url: String,
    pub events: Vec<String>,
    /// The codes of the dialects whose sessions' events it receives.
    pub dialects: Vec<i16>,
    pub created_at: Timestamp,
    /// Until when deliveries are paused at the endpoint's request.
    pub paused_until: Option<Timestamp>,
    /// Since when nothing is delivered, because the endpoint responded with 410.
    pub disabled_at: Option<Timestamp>,
}

impl AdminStore {
    /// Registers an endpoint. It receives events from now on, including those of transactions that are still open.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn create_webhook(&self, new: &NewWebhook<'_>, mint: &Mint) -> Result<(), AdminError> {
        let (events, dialects) = (new.subscription.event_names(), new.subscription.dialect_codes());
        let mut transaction = scope::begin_system(&self.pool(new.org)).await?;
        let row = (new.org, new.id.0);
        let secret =
            sealing::stored(&mut transaction, self.sealing.as_ref(), row, new.secret, new.created_at, mint).await?;
        sqlx::query!(
            "INSERT INTO webhooks (org_id, webhook_id, url, secret, events, dialects, feed_transaction, feed_place,
                                   created_at)
             VALUES ($1, $2, $3, $4, $5, $6, feed_horizon() - 1, 2147483647,
                     $7)",
            new.org.0,
            new.id.0,
            new.url.as_url().as_str(),
            secret,
            &events,
            &dialects,
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        let subscription = Some(new.subscription);
        subscribe(&mut transaction, (new.org, new.id), None, subscription, new.created_at).await?;
        let entry = Entry::new(new.org, &self.actor, Action::WebhookCreate, format!("webhook/{}", new.id))
            .after(&WebhookView::of(new.url.as_url().as_str(), &events, &dialects, None, None))?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns the endpoints of an organization, oldest first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn webhooks(&self, org: OrgId) -> Result<Vec<WebhookRow>, AdminError> {
        Ok(sqlx::query_as!(
            WebhookRow,
            "SELECT webhook_id, url, events, dialects, created_at, paused_until, disabled_at
               FROM webhooks WHERE org_id = $1 ORDER BY created_at, webhook_id",
            org.0
        )
        .fetch_all(self.pool(org).reads())
        .await?)
    }

    /// Enables an endpoint that is disabled or paused, at `now`. An endpoint that was disabled receives events from now
    /// on.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such endpoint.
    pub async fn enable_webhook(&self, id: WebhookId, now: Timestamp) -> Result<(), AdminError> {
        self.in_its_shard(|shard| async move { shard.enable_in_shard(id, now).await }).await
    }

    async fn enable_in_shard(&self, id: WebhookId, now: Timestamp) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let before = sqlx::query!(
            "SELECT org_id, url, events, dialects, paused_until, disabled_at
               FROM webhooks WHERE webhook_id = $1 FOR UPDATE",
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(AdminError::NotFound("webhook"))?;
        sqlx::query!(
            "UPDATE webhooks
                SET feed_transaction = CASE WHEN disabled_at IS NULL THEN feed_transaction
                                            ELSE feed_horizon() - 1 END,
                    feed_place = CASE WHEN disabled_at IS NULL THEN feed_place ELSE 2147483647 END,
                    paused_until = NULL, disabled_at = NULL, disabled_reason = NULL
              WHERE org_id = $1 AND webhook_id = $2",
            before.org_id,
            id.0
        )
        .execute(&mut *transaction)
        .await?;
        let receives = Subscription::stored(&before.events, &before.dialects);
        let received = Some(&receives).filter(|_| before.disabled_at.is_none());
        subscribe(&mut transaction, (OrgId(before.org_id), id), received, Some(&receives), now).await?;
        if before.paused_until.is_some() || before.disabled_at.is_some() {
            let (url, events, dialects) = (&before.url, &before.events, &before.dialects);
            let view = |paused_until, disabled_at| WebhookView::of(url, events, dialects, paused_until, disabled_at);
            let entry = Entry::new(OrgId(before.org_id), &self.actor, Action::WebhookEnable, format!("webhook/{id}"))
                .before(&view(before.paused_until, before.disabled_at))?
                .after(&view(None, None))?;
            audit::append_as_system(&mut transaction, entry).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes an endpoint with its secret and its deliveries. A delivery that is being sent still arrives.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such endpoint.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<(), AdminError> {
        self.in_its_shard(|shard| async move { shard.delete_in_shard(id).await }).await
    }

    async fn delete_in_shard(&self, id: WebhookId) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let deleted = sqlx::query!(
            "DELETE FROM webhooks WHERE webhook_id = $1
             RETURNING org_id, url, events, dialects, paused_until, disabled_at",
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(AdminError::NotFound("webhook"))?;
        follow(&mut transaction, OrgId(deleted.org_id), id, false).await?;
        // No replica can add deliveries now, because adding one needs a lock of the row that was deleted.
        sqlx::query!("DELETE FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2", deleted.org_id, id.0)
            .execute(&mut *transaction)
            .await?;
        let (url, events, dialects) = (&deleted.url, &deleted.events, &deleted.dialects);
        let view = WebhookView::of(url, events, dialects, deleted.paused_until, deleted.disabled_at);
        let entry = Entry::new(OrgId(deleted.org_id), &self.actor, Action::WebhookDelete, format!("webhook/{id}"))
            .before(&view)?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}
