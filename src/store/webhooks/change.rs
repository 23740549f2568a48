//! Changes webhooks, replaces their secrets, and deletes them.

use secrecy::SecretString;

use super::{Webhook, WebhookState, Webhooks, follow, locked, subscribe};
use crate::domain::{Action, Mint, Timestamp, WebhookId};
use crate::store::audit::{self, Entry, WebhookView};
use crate::store::{StoreError, scope, sealing};

/// Deliveries that are deleted in one transaction, and how many transactions a request waits for. A worker deletes the
/// others within seven days, and none of them is sent.
const DELETED: i64 = 1_000;
const MAX_BATCHES: usize = 10;

fn view(webhook: &Webhook) -> WebhookView<'_> {
    WebhookView::of(&webhook.url, &webhook.events, &webhook.dialects, webhook.paused_until, webhook.state.columns().0)
}

impl Webhooks<'_> {
    /// Changes a webhook's URL, events, dialects, state and pause by a rule, under a lock. Returns `None` if there is no
    /// such webhook. Nothing is changed if the rule returns an error, which is the inner result. An endpoint that was
    /// disabled receives events from now on, and so does one of expiries that it did not receive before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn change<E: Send>(
        &self,
        id: WebhookId,
        now: Timestamp,
        rule: impl FnOnce(&mut Webhook) -> Result<(), E> + Send,
    ) -> Result<Option<Result<Webhook, E>>, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let Some(before) = locked(&mut transaction, org, id).await? else { return Ok(None) };
        let mut after = before.clone();
        if let Err(error) = rule(&mut after) {
            return Ok(Some(Err(error)));
        }
        if after == before {
            return Ok(Some(Ok(after)));
        }
        let is_enabled = |webhook: &Webhook| webhook.state == WebhookState::Enabled;
        let (disabled_at, disabled_reason) = after.state.columns();
        sqlx::query!(
            "UPDATE webhooks
                SET url = $3, events = $4, paused_until = $5, disabled_at = $6, disabled_reason = $7,
                    feed_transaction = CASE WHEN $8 THEN feed_horizon() - 1
                                            ELSE feed_transaction END,
                    feed_place = CASE WHEN $8 THEN 2147483647 ELSE feed_place END, dialects = $9
              WHERE org_id = $1 AND webhook_id = $2",
            org.0,
            id.0,
            after.url,
            &after.events,
            after.paused_until,
            disabled_at,
            disabled_reason,
            is_enabled(&after) && !is_enabled(&before),
            &after.dialects
        )
        .execute(&mut *transaction)
        .await?;
        let (received, receives) = (before.subscription(), after.subscription());
        subscribe(&mut transaction, (org, id), received.as_ref(), receives.as_ref(), now).await?;
        let action = match (is_enabled(&before), is_enabled(&after)) {
            _ if (&before.url, &before.events, &before.dialects) != (&after.url, &after.events, &after.dialects) => {
                Action::WebhookUpdate
            }
            (true, false) => Action::WebhookDisable,
            _ => Action::WebhookEnable,
        };
        let entry = Entry::new(org, self.0.actor(), action, format!("webhook/{id}"))
            .before(&view(&before))?
            .after(&view(&after))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(Some(Ok(after)))
    }

    /// Replaces a webhook's secret. Until the given time, deliveries are also signed with the secret before. Returns
    /// `None` if there is no such webhook.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn rotate_secret(
        &self,
        id: WebhookId,
        secret: &SecretString,
        previous_until: Option<Timestamp>,
        now: Timestamp,
        mint: &Mint,
    ) -> Result<Option<Webhook>, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let Some(before) = locked(&mut transaction, org, id).await? else { return Ok(None) };
        let secret = sealing::stored(&mut transaction, self.0.sealing(), (org, id.0), secret, now, mint).await?;
        sqlx::query!("SELECT rotate_webhook_secret($1, $2, $3, $4)", org.0, id.0, secret, previous_until)
            .execute(&mut *transaction)
            .await?;
        let entry = Entry::new(org, self.0.actor(), Action::WebhookRotate, format!("webhook/{id}"))
            .after(&serde_json::json!({"previous_secret_until": previous_until}))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(Some(Webhook { previous_secret_until: previous_until, ..before }))
    }

    /// Deletes a webhook with its secret, and its deliveries. Returns `None` if there is no such webhook. Nothing is
    /// deleted if `check` returns an error, which is the inner result.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn delete<E: Send>(
        &self,
        id: WebhookId,
        check: impl FnOnce(&Webhook) -> Result<(), E> + Send,
    ) -> Result<Option<Result<(), E>>, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let Some(before) = locked(&mut transaction, org, id).await? else { return Ok(None) };
        if let Err(error) = check(&before) {
            return Ok(Some(Err(error)));
        }
        sqlx::query!("DELETE FROM webhooks WHERE org_id = $1 AND webhook_id = $2", org.0, id.0)
            .execute(&mut *transaction)
            .await?;
        follow(&mut transaction, org, id, false).await?;
        let entry =
            Entry::new(org, self.0.actor(), Action::WebhookDelete, format!("webhook/{id}")).before(&view(&before))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        for _ in 0..MAX_BATCHES {
            if self.delete_deliveries(id).await? < DELETED.unsigned_abs() {
                break;
            }
        }
        Ok(Some(Ok(())))
    }

    /// Deletes a batch of the deliveries of a webhook, and returns how many there were.
    async fn delete_deliveries(&self, id: WebhookId) -> Result<u64, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let deleted = sqlx::query!(
            "DELETE FROM webhook_deliveries d
              USING (SELECT org_id, delivery_id FROM webhook_deliveries
                      WHERE org_id = $1 AND webhook_id = $2 ORDER BY delivery_id LIMIT $3) AS old
              WHERE d.org_id = $1 AND d.delivery_id = old.delivery_id",
            self.0.org.0,
            id.0,
            DELETED
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected())
    }
}
