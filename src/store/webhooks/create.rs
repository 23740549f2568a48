//! Registers webhooks.

use secrecy::SecretString;

use super::{MAX_WEBHOOKS, Webhook, WebhookState, Webhooks, subscribe};
use crate::domain::responder::HttpUrl;
use crate::domain::webhook::Subscription;
use crate::domain::{Action, Mint, Timestamp, WebhookId};
use crate::store::audit::{self, Entry, WebhookView};
use crate::store::{StoreError, scope, sealing};

/// A new endpoint.
pub struct NewEndpoint<'a> {
    pub id: WebhookId,
    pub url: &'a HttpUrl,
    /// The secret that deliveries are signed with.
    pub secret: &'a SecretString,
    pub subscription: &'a Subscription,
}

/// The result of a create.
#[must_use]
pub enum WebhookCreated {
    New(Box<Webhook>),
    /// The organization has as many webhooks as it may have.
    TooMany,
}

impl Webhooks<'_> {
    /// Registers an endpoint. It receives events from now on, including those of transactions that are still open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn create(
        &self,
        new: &NewEndpoint<'_>,
        now: Timestamp,
        mint: &Mint,
    ) -> Result<WebhookCreated, StoreError> {
        let org = self.0.org;
        let (events, dialects) = (new.subscription.event_names(), new.subscription.dialect_codes());
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM webhooks WHERE org_id = $1"#, org.0)
            .fetch_one(&mut *transaction)
            .await?;
        if count >= MAX_WEBHOOKS {
            return Ok(WebhookCreated::TooMany);
        }
        let row = (org, new.id.0);
        let secret = sealing::stored(&mut transaction, self.0.sealing(), row, new.secret, now, mint).await?;
        sqlx::query!(
            "INSERT INTO webhooks (org_id, webhook_id, url, secret, events, dialects, feed_transaction, feed_place,
                                   created_at)
             VALUES ($1, $2, $3, $4, $5, $6, feed_horizon() - 1, 2147483647,
                     $7)",
            org.0,
            new.id.0,
            new.url.as_url().as_str(),
            secret,
            &events,
            &dialects,
            now
        )
        .execute(&mut *transaction)
        .await?;
        subscribe(&mut transaction, (org, new.id), None, Some(new.subscription), now).await?;
        let entry = Entry::new(org, self.0.actor(), Action::WebhookCreate, format!("webhook/{}", new.id))
            .after(&WebhookView::of(new.url.as_url().as_str(), &events, &dialects, None, None))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(WebhookCreated::New(Box::new(Webhook {
            id: new.id,
            url: new.url.as_url().as_str().to_owned(),
            events,
            dialects,
            state: WebhookState::Enabled,
            paused_until: None,
            previous_secret_until: None,
            created_at: now,
        })))
    }
}
