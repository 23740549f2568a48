//! Sends the entries of all audit logs to the address that the deployment names, in the order of each organization's
//! log and at least once.

use std::time::Duration;

use chrono::TimeDelta;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::in_every_shard;
use crate::domain::{Clock, OrgId};
use crate::outbound::{Client, NoTls, PrivateAddresses, SignedEndpoint, Unsent, signature};
use crate::store::AuditRow;
use crate::store::admin::{AdminError, AdminStore, UnsentEntries};

/// How often the worker looks for entries.
const EVERY: Duration = Duration::from_secs(2);
/// Time limits for a connection and for the response.
const CONNECT: Duration = Duration::from_secs(5);
const RESPONSE: Duration = Duration::from_secs(15);
/// How long a batch is leased. It is longer than an attempt, and the pause after a failed one.
const LEASE: TimeDelta = TimeDelta::seconds(30);
const FIRST: OrgId = OrgId(Uuid::nil());

/// A batch of entries of one organization.
#[derive(Serialize)]
struct Batch<'a> {
    organization_id: OrgId,
    entries: Vec<SentEntry<'a>>,
}

#[derive(Serialize)]
struct SentEntry<'a> {
    number: i64,
    at: String,
    actor: SentActor<'a>,
    address: Option<&'a str>,
    request_id: Option<&'a str>,
    action: &'a str,
    target: &'a str,
    before: Option<&'a RawValue>,
    after: Option<&'a RawValue>,
    hash: &'a str,
}

#[derive(Serialize)]
struct SentActor<'a> {
    kind: &'a str,
    id: Option<&'a str>,
    issuer: Option<&'a str>,
}

impl<'a> From<&'a AuditRow> for SentEntry<'a> {
    fn from(row: &'a AuditRow) -> Self {
        let json = |text: &'a Option<String>| text.as_deref().and_then(|text| serde_json::from_str(text).ok());
        Self {
            number: row.number,
            at: row.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            actor: SentActor { kind: &row.actor_kind, id: row.actor.as_deref(), issuer: row.issuer.as_deref() },
            address: row.address.as_deref(),
            request_id: row.request_id.as_deref(),
            action: &row.action,
            target: &row.target,
            before: json(&row.before),
            after: json(&row.after),
            hash: &row.hash,
        }
    }
}

/// Why a batch was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NotSent {
    #[error("the secret cannot be used")]
    Secret,
    #[error("the endpoint responded with {0}")]
    Rejected(StatusCode),
    #[error("the endpoint did not respond in time")]
    TimedOut,
    #[error("the endpoint cannot be reached")]
    Unreachable,
}

impl From<Unsent> for NotSent {
    fn from(_: Unsent) -> Self {
        Self::Unreachable
    }
}

/// One replica's worker. Clones share its HTTP client.
#[derive(Clone)]
pub struct AuditStream {
    admin: AdminStore,
    clock: Clock,
    client: Client,
    endpoint: SignedEndpoint,
}

impl AuditStream {
    /// Creates the worker. The operator names the address, so it may be a private one.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(admin: AdminStore, clock: Clock, endpoint: SignedEndpoint) -> Result<Self, NoTls> {
        let client = Client::new(PrivateAddresses::Allowed, CONNECT)?;
        Ok(Self { admin, clock, client, endpoint })
    }

    pub(super) async fn run(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.send_waiting().await {
                tracing::warn!(%error, "audit.not_sent");
            }
        }
    }

    /// Sends one batch of each organization with unsent entries, again and again until none is left that can be sent
    /// now. Organizations take turns. Returns how many entries were sent. If the endpoint does not accept a batch, the
    /// rest waits, because it would not accept that either.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn send_waiting(&self) -> Result<usize, AdminError> {
        let send = |shard: AdminStore| async move { self.send_from_shard(&shard).await };
        in_every_shard(&self.admin, send).await.map(|sent| usize::try_from(sent).unwrap_or(usize::MAX))
    }

    async fn send_from_shard(&self, admin: &AdminStore) -> Result<u64, AdminError> {
        let (mut sent, mut after) = (0, FIRST);
        loop {
            let Some(unsent) = admin.lease_audit_entries(self.clock.now(), LEASE, after).await? else {
                if after == FIRST {
                    return Ok(sent);
                }
                after = FIRST;
                continue;
            };
            after = unsent.org;
            let Some(last) = unsent.entries.last().map(|entry| entry.number) else { continue };
            if let Err(error) = self.post(&unsent, last).await {
                tracing::warn!(org = %unsent.org, %error, "audit.not_sent");
                return Ok(sent);
            }
            admin.audit_entries_sent(unsent.org, last).await?;
            sent += unsent.entries.len() as u64;
        }
    }

    async fn post(&self, unsent: &UnsentEntries, last: i64) -> Result<(), NotSent> {
        let batch =
            Batch { organization_id: unsent.org, entries: unsent.entries.iter().map(SentEntry::from).collect() };
        let body = serde_json::to_vec(&batch).map_err(|_| NotSent::Unreachable)?;
        // The same batch has the same id at every attempt, so that the endpoint can recognize it.
        let id = format!("audit_{}_{last}", unsent.org);
        let headers =
            signature::headers(&signature::STANDARD, self.endpoint.secret.as_slice(), &id, self.clock.now(), &body)
                .map_err(|_| NotSent::Secret)?;
        let request = self.client.post(self.endpoint.url.as_url()).map_err(Unsent::from)?.headers(headers);
        let sending = request.header(CONTENT_TYPE, "application/json").body(body).send();
        let response = tokio::time::timeout(RESPONSE, sending).await.map_err(|_| NotSent::TimedOut)?;
        let status = response.map_err(Unsent::from)?.status();
        if status.is_success() { Ok(()) } else { Err(NotSent::Rejected(status)) }
    }
}
