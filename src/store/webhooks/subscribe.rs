//! What an endpoint's subscription needs beside its row: that the feed is written, and that expiries are looked for.

use sqlx::PgConnection;

use crate::domain::webhook::Subscription;
use crate::domain::{DialectName, OrgId, Timestamp, WebhookId};

/// Has the organization followed for an endpoint if it receives what is in the feed only then, and has expiries looked
/// for if it receives those: from `now` on if some of them are new to it. `None` is the subscription of a disabled
/// endpoint, which receives nothing, and of one that does not exist yet. The caller has locked or inserted the
/// endpoint's row.
pub(in crate::store) async fn subscribe(
    connection: &mut PgConnection,
    (org, id): (OrgId, WebhookId),
    before: Option<&Subscription>,
    after: Option<&Subscription>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    follow(connection, org, id, after.is_some_and(Subscription::needs_follower)).await?;
    let of = |subscription: Option<&Subscription>| -> Vec<DialectName> {
        subscription.map(Subscription::expiring_dialects).unwrap_or_default()
    };
    let (known, expiring) = (of(before), of(after));
    let has_new = expiring.iter().any(|dialect| !known.contains(dialect));
    let has_ended = expiring.is_empty() && !known.is_empty();
    if !has_new && !has_ended {
        return Ok(());
    }
    // Sessions that are there already are looked at once, dialect by dialect. Later ones are found in the feed.
    let first = expiring.first().map(|dialect| dialect.code());
    sqlx::query!(
        "UPDATE webhooks
            SET expiries_since = CASE WHEN $3::smallint IS NOT NULL THEN $4::timestamptz END,
                expiry_scan_dialect = $3, expiry_scan_after = NULL,
                expiry_scan_session = CASE WHEN $3::smallint IS NOT NULL
                                           THEN '00000000-0000-0000-0000-000000000000'::uuid END
          WHERE org_id = $1 AND webhook_id = $2",
        org.0,
        id.0,
        first,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes an endpoint a follower of its organization, or removes it.
pub(in crate::store) async fn follow(
    connection: &mut PgConnection,
    org: OrgId,
    id: WebhookId,
    follows: bool,
) -> Result<(), sqlx::Error> {
    if follows {
        sqlx::query!(
            "INSERT INTO feed_followers (org_id, follower_id) VALUES ($1, $2)
                 ON CONFLICT (org_id, follower_id) DO UPDATE SET until = NULL",
            org.0,
            id.0
        )
        .execute(connection)
        .await?;
    } else {
        sqlx::query!("DELETE FROM feed_followers WHERE org_id = $1 AND follower_id = $2", org.0, id.0)
            .execute(connection)
            .await?;
    }
    Ok(())
}
