//! The extractor that handlers name, and how it responds.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::Either;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::task::JoinError;
use tracing::Instrument;

use super::claim::{self, ClaimStep};
use super::{HEADER, IdempotencyGuard, REPLAYED, WaitTimeout};
use crate::auth::Caller;
use crate::domain::idempotency::LEASE;
use crate::domain::{IdempotencyKey, Timestamp};
use crate::http::{Dialect, HANDLER_TIMEOUT, RETRY_AFTER, Rejection, json_bytes, parse_object};
use crate::store::{KeyPlace, KeyedRequest, StoredResponse};

const _: () = assert!(LEASE.num_seconds().unsigned_abs() > HANDLER_TIMEOUT.as_secs(), "a lease outlasts its handler");

/// A body that must be a JSON object, and the key under which the client may send it again. It comes last in a
/// handler's signature, after its [`Caller`].
pub struct Idempotent<D, T> {
    body: T,
    key: Option<Box<Keyed>>,
    dialect: PhantomData<D>,
}

/// Identifies a request with a key.
struct Keyed {
    key: IdempotencyKey,
    target: [u8; 32],
    body_hash: [u8; 32],
    wait_timeout: WaitTimeout,
}

/// Whether a handler must carry a request out.
#[expect(clippy::large_enum_variant, reason = "most requests are fresh, and a box would be an allocation for each")]
pub enum ClaimOutcome<D, P, T> {
    /// Carry it out with this caller, whose time, randomness and ids are the same at every attempt, and report the end
    /// to the guard.
    Fresh(Caller<D, P>, T, IdempotencyGuard),
    /// Return this response: it was stored before, or it is a rejection.
    Respond(Response),
}

impl<D, T, S> FromRequest<S> for Idempotent<D, T>
where
    D: Dialect,
    T: DeserializeOwned,
    S: Send + Sync,
    WaitTimeout: FromRef<S>,
{
    type Rejection = D::Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let key = SentKey::of(&request)?;
        let bytes = json_bytes(request).await?;
        let body = parse_object(&bytes)?;
        Ok(key.with(body, |_| Sha256::digest(&bytes).into(), WaitTimeout::from_ref(state)))
    }
}

/// The key of a request, if it has one: for bodies other than JSON, which their extractors read themselves.
pub struct SentKey(Option<(IdempotencyKey, [u8; 32])>);

impl SentKey {
    /// Reads the key of a request.
    ///
    /// # Errors
    /// [`Rejection::MalformedHeader`] (400) if the header is not a valid key, or is sent twice.
    pub fn of(request: &Request) -> Result<Self, Rejection> {
        let key = key(request.headers())?;
        Ok(Self(key.map(|key| (key, target(request.method(), request.uri().path())))))
    }

    /// Returns the request with the body that was read. `hash` identifies the body when it is sent again.
    pub fn with<D, T>(self, body: T, hash: impl FnOnce(&T) -> [u8; 32], wait_timeout: WaitTimeout) -> Idempotent<D, T> {
        let key = self.0.map(|(key, target)| Box::new(Keyed { key, target, body_hash: hash(&body), wait_timeout }));
        Idempotent { body, key, dialect: PhantomData }
    }
}

/// Returns the key, or `None` without the header.
fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Rejection> {
    let mut values = headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|_| values.next().is_none());
    key.map(Some).ok_or(Rejection::MalformedHeader("Idempotency-Key"))
}

fn target(method: &Method, path: &str) -> [u8; 32] {
    Sha256::new().chain_update(method.as_str()).chain_update(" ").chain_update(path).finalize().into()
}

impl<D: Dialect, T> Idempotent<D, T> {
    /// Returns the body, for handlers whose kind of response depends on it.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.body
    }

    /// Responds with the result of `work`, or with the stored response of an earlier request with the same key.
    ///
    /// With a key, the work goes on when the client disconnects, because clients retry after a response that did not
    /// arrive. Without a key, only `work` runs, so that the many creates without a key cost nothing more.
    pub fn respond<P, W, F, R>(self, caller: Caller<D, P>, work: W) -> impl Future<Output = Response> + Send
    where
        T: Send + 'static,
        P: Send + 'static,
        W: FnOnce(Caller<D, P>, T) -> F + Send + 'static,
        F: Future<Output = Result<R, D::Error>> + Send,
        R: IntoResponse + Send,
    {
        if self.key.is_none() {
            return Either::Left(work(caller, self.body).map(IntoResponse::into_response));
        }
        let responding = async move {
            match self.claim(caller).await {
                ClaimOutcome::Fresh(caller, body, guard) => {
                    let now = caller.now();
                    carry_out::<D, R>(work(caller, body), guard, now).await
                }
                ClaimOutcome::Respond(response) => response,
            }
        };
        let task = tokio::spawn(responding.in_current_span());
        Either::Right(task.map(|outcome| match outcome.map_err(JoinError::try_into_panic) {
            Ok(response) => response,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_ended)) => D::Error::from(Rejection::Unavailable).into_response(),
        }))
    }

    /// Claims the request: the first step of [`respond`](Self::respond), for handlers that stream their response.
    pub async fn claim<P>(self, caller: Caller<D, P>) -> ClaimOutcome<D, P, T> {
        let Some(keyed) = self.key else { return ClaimOutcome::Fresh(caller, self.body, IdempotencyGuard::unkeyed()) };
        let request = KeyedRequest {
            place: KeyPlace { dialect: D::NAME, target: keyed.target, key: keyed.key },
            body_hash: keyed.body_hash,
            arrived_at: caller.now(),
            seed: caller.mint.secret(),
            holder: caller.mint.uuid(),
        };
        match claim::take(&caller.store, &caller.clock, &request, keyed.wait_timeout).await {
            Ok(ClaimStep::Ours(reservation)) => {
                let reservation = Arc::new(reservation);
                let guard = IdempotencyGuard::new(caller.store.clone(), caller.clock.clone(), Arc::clone(&reservation));
                ClaimOutcome::Fresh(caller.with_reservation(reservation), self.body, guard)
            }
            Ok(ClaimStep::Stored(response)) => ClaimOutcome::Respond(replay(response)),
            Err(rejection) => ClaimOutcome::Respond(reject::<D>(rejection)),
        }
    }
}

/// Does the work and reports its end to the guard.
async fn carry_out<D: Dialect, R: IntoResponse>(
    work: impl Future<Output = Result<R, D::Error>>,
    guard: IdempotencyGuard,
    now: Timestamp,
) -> Response {
    // The middleware has its own time-out. This one is for work that goes on after its client has disconnected.
    let done = tokio::time::timeout(HANDLER_TIMEOUT, work).await;
    let error = match done {
        Ok(Ok(reply)) => return store(reply.into_response(), guard).await,
        Ok(Err(error)) => error,
        Err(_elapsed) => Rejection::TimedOut.into(),
    };
    guard.hand_back::<D>(&error, now).await;
    error.into_response()
}

/// Stores a successful response, and returns it unchanged.
async fn store(response: Response, guard: IdempotencyGuard) -> Response {
    if !response.status().is_success() {
        guard.hand_back_with(response.status()).await;
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        guard.give_up().await;
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let bytes = body.to_bytes();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    guard.store(parts.status, content_type, &bytes).await;
    Response::from_parts(parts, Body::from(bytes))
}

fn replay(stored: StoredResponse) -> Response {
    let mut response = Response::new(Body::from(stored.body));
    *response.status_mut() = StatusCode::from_u16(stored.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    if let Some(content_type) = stored.content_type.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    response
}

fn reject<D: Dialect>(rejection: Rejection) -> Response {
    let again = rejection == Rejection::StillRunning;
    let mut response = D::Error::from(rejection).into_response();
    if again {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
    }
    response
}
