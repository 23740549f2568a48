//! One attempt at a delivery, and its outcome.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, timeout};

use super::Webhooks;
use crate::dialects::agntix;
use crate::dialects::sessionary::{self, Occurrence};
use crate::domain::responder::HttpUrl;
use crate::domain::webhook::{PAUSE_LIMIT, next_attempt, retry_after};
use crate::domain::{DialectName, Session, Timestamp, WebhookEvent};
use crate::outbound::{Unsent, signature};
use crate::store::admin::{Attempted, EndpointChange, Leased, Next};
use crate::telemetry;

/// Time limit for storing an attempt. After it the attempt counts as lost.
const RECORDED_WITHIN: Duration = Duration::from_secs(10);

/// Why an attempt failed. It contains no secret and nothing of what was posted.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Any other status than a success, and the time of the endpoint's `Retry-After`. Redirects are not followed.
    Rejected(StatusCode, Option<Timestamp>),
    /// 410: the endpoint accepts no more deliveries.
    Gone,
    TimedOut,
    Unreachable,
    NotHttp,
    ForbiddenAddress,
    /// The session, or its message, does not exist any more.
    SessionGone,
    /// The session's row was written by another version of this program.
    SessionUnreadable,
    /// The endpoint's secret is sealed with a key that this replica does not have.
    Sealed,
    /// The endpoint's row was not written by this program.
    Misconfigured,
}

impl Fault {
    /// Returns the fault's name in metrics and in the list of deliveries.
    fn label(self) -> &'static str {
        match self {
            Self::Rejected(status, _) if status.is_redirection() => "redirected",
            Self::Rejected(..) => "refused",
            Self::Gone => "gone",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::NotHttp => "not_http",
            Self::ForbiddenAddress => "forbidden_address",
            Self::SessionGone => "session_gone",
            Self::SessionUnreadable => "session_unreadable",
            Self::Sealed => "sealed",
            Self::Misconfigured => "misconfigured",
        }
    }

    fn status(self) -> Option<StatusCode> {
        match self {
            Self::Rejected(status, _) => Some(status),
            Self::Gone => Some(StatusCode::GONE),
            _ => None,
        }
    }

    /// Returns the time of the endpoint's `Retry-After`.
    fn retry_at(self) -> Option<Timestamp> {
        if let Self::Rejected(_, retry_at) = self { retry_at } else { None }
    }
}

impl From<Unsent> for Fault {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Unreachable => Self::Unreachable,
            Unsent::ForbiddenAddress => Self::ForbiddenAddress,
            Unsent::NotHttp => Self::NotHttp,
        }
    }
}

impl Webhooks {
    /// Posts a delivery and stores the outcome. Returns how long the endpoint took, and whether it can get more.
    pub(super) async fn attempt(&self, leased: &Leased) -> (Duration, Appetite) {
        let started = Instant::now();
        let outcome = timeout(self.settings.response, self.post(leased)).await.unwrap_or(Err(Fault::TimedOut));
        let latency = started.elapsed();
        let now = self.clock.now();
        let next = match outcome {
            Ok(_) => Next::DeliveredAt(now),
            Err(Fault::SessionGone | Fault::Gone) => Next::FailedAt(now),
            Err(fault) => next_attempt(leased.attempt, leased.queued_at, now, fault.retry_at())
                .map_or(Next::FailedAt(now), Next::AgainAt),
        };
        let endpoint = match outcome {
            Err(Fault::Gone) => EndpointChange::Disabled(now),
            Err(Fault::Rejected(_, Some(retry_at))) => EndpointChange::Paused(retry_at.min(now + PAUSE_LIMIT)),
            _ => EndpointChange::None,
        };
        report(leased, outcome, next, latency);
        let status = outcome.map_or_else(Fault::status, Some).map(|status| status.as_u16());
        let attempted = Attempted { leased, status, error: outcome.err().map(Fault::label), next, endpoint };
        match timeout(RECORDED_WITHIN, self.admin.record_attempt(&attempted)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, delivery = %leased.delivery, "webhook.not_recorded"),
            Err(error) => tracing::warn!(%error, delivery = %leased.delivery, "webhook.not_recorded"),
        }
        if endpoint == EndpointChange::Disabled(now) {
            tracing::warn!(org = %leased.org, webhook = %leased.webhook, "webhook.disabled");
        }
        (latency, if endpoint == EndpointChange::None { Appetite::More } else { Appetite::NoMore })
    }

    /// Posts it once. Returns the status of a success.
    async fn post(&self, leased: &Leased) -> Result<StatusCode, Fault> {
        let session = leased.session.as_ref().map_err(|_| Fault::SessionUnreadable)?;
        let session = session.as_ref().ok_or(Fault::SessionGone)?;
        let url = leased.url.parse::<HttpUrl>().map_err(|_| Fault::Misconfigured)?;
        let body = body(leased, session)?;
        let secrets = leased.secrets.as_ref().map_err(|error| {
            tracing::error!(%error, org = %leased.org, webhook = %leased.webhook, "webhook.secret_sealed");
            Fault::Sealed
        })?;
        let (id, now) = (leased.delivery.to_string(), self.clock.now());
        let mut headers =
            signature::headers(&signature::SVIX, secrets, &id, now, &body).map_err(|_| Fault::Misconfigured)?;
        headers.extend(
            signature::headers(&signature::STANDARD, secrets, &id, now, &body).map_err(|_| Fault::Misconfigured)?,
        );
        let request = self.client.post(url.as_url()).map_err(Unsent::from)?;
        let request = request.headers(headers).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = request.body(body).send().await.map_err(Unsent::from)?;
        let status = response.status();
        match status {
            _ if status.is_success() => Ok(status),
            StatusCode::GONE => Err(Fault::Gone),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let retry_at = header.and_then(|text| retry_after(text, self.clock.now()));
                Err(Fault::Rejected(status, retry_at))
            }
            _ => Err(Fault::Rejected(status, None)),
        }
    }
}

/// Returns the body of a delivery: the start and the end of an `agntix` session as Agntix sends them, and everything
/// else in the service's own form.
fn body(leased: &Leased, session: &Session) -> Result<Bytes, Fault> {
    let is_vendors = session.dialect == DialectName::Agntix;
    let body = match leased.event {
        WebhookEvent::SessionCreated if is_vendors => agntix::webhook::created(session),
        WebhookEvent::SessionEnded if is_vendors => agntix::webhook::ended(session, leased.last_said_at),
        event => {
            let about = match (event, &leased.message) {
                (WebhookEvent::SessionCreated, _) => Occurrence::Created,
                (WebhookEvent::SessionEnded, _) => Occurrence::Ended,
                (WebhookEvent::SessionExpired, _) => Occurrence::Expired,
                (WebhookEvent::MessageCreated, Some(message)) => Occurrence::Message(message),
                (WebhookEvent::MessageCreated, None) => return Err(Fault::SessionGone),
            };
            let body = sessionary::webhook_body(about, session, leased.agent_key.as_deref());
            body.ok_or(Fault::SessionGone)?
        }
    };
    Ok(Bytes::from(body.map_err(|_| Fault::Misconfigured)?))
}

/// Whether an endpoint can get more deliveries now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    More,
    /// It asked for a pause, or accepts no more deliveries.
    NoMore,
}

/// Counts and logs an attempt.
fn report(leased: &Leased, outcome: Result<StatusCode, Fault>, next: Next, latency: Duration) {
    let event = leased.event.as_str();
    telemetry::webhook_attempted(event, outcome.map_or_else(Fault::label, |_| "delivered"), latency);
    match outcome {
        Ok(status) => tracing::info!(
            org = %leased.org,
            webhook = %leased.webhook,
            delivery = %leased.delivery,
            event,
            attempt = leased.attempt,
            status = status.as_u16(),
            "webhook.delivered"
        ),
        Err(fault) => tracing::warn!(
            org = %leased.org,
            webhook = %leased.webhook,
            delivery = %leased.delivery,
            event,
            attempt = leased.attempt,
            status = fault.status().map(|status| status.as_u16()),
            reason = fault.label(),
            is_last = matches!(next, Next::FailedAt(_)),
            "webhook.not_delivered"
        ),
    }
}
