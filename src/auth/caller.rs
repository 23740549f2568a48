//! The extractor for handlers: the authenticated caller and its view of the store.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use tokio::time::Instant;

use super::admission::{Admission, Nothing};
use super::authenticator::Authenticator;
use super::headers::{Bearer, Credentials};
use super::purpose::Purpose;
use super::{access_token, api_key, console_login, org_header, token};
use crate::domain::{Actor, ApiKey, Clock, Credential, Mint, Principal, SentBy, Timestamp};
use crate::http::{
    Class, Deferred, Dialect, Forbidden, OrgLimits, REPLY_TIMEOUT, Record, Rejection, Sender, Unauthenticated,
};
use crate::store::{Reservation, Series, StoreError, TenantStore};

/// A caller that may do `P` in dialect `D`.
pub struct Caller<D, P> {
    pub principal: Principal,
    /// Sees only the caller's organization.
    pub store: TenantStore,
    /// Continues while the request is served.
    pub clock: Clock,
    pub mint: Mint,
    arrived_at: Timestamp,
    answer_by: Instant,
    reservation: Option<Arc<Reservation>>,
    for_purpose: PhantomData<(D, P)>,
}

impl<D, P> Caller<D, P> {
    /// Returns when the request arrived, which is the time of everything that the request does.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.arrived_at
    }

    /// Returns until when the handler may wait and can still respond in the vendor's format, including the time since
    /// the request arrived. It applies to each attempt at a reserved request.
    #[must_use]
    pub fn answer_by(&self) -> Instant {
        self.answer_by
    }

    /// Returns the next public integer of a series, the same at every attempt at a reserved request. A request has one
    /// per series.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn number(&self, series: Series) -> Result<i64, StoreError> {
        match &self.reservation {
            None => self.store.numbers().next(series).await,
            Some(reservation) => Box::pin(self.store.idempotency().number(reservation, series)).await,
        }
    }

    /// Returns the sender and the idempotency key of what the request stores.
    #[must_use]
    pub fn sent_by(&self) -> SentBy {
        let request_seed = self.reservation.as_ref().map(|reservation| reservation.seed);
        SentBy { caller: self.principal.credential.maker(), request_seed }
    }

    /// Returns the caller for an attempt at a reserved request: with the time, the randomness and the numbers of the
    /// first attempt.
    #[must_use]
    pub fn with_reservation(self, reservation: Arc<Reservation>) -> Self {
        Self {
            mint: Mint::from_seed(reservation.seed),
            arrived_at: reservation.arrived_at,
            reservation: Some(reservation),
            ..self
        }
    }
}

impl<D, P, S> FromRequestParts<S> for Caller<D, P>
where
    D: Dialect,
    P: Purpose,
    S: Send + Sync,
    Arc<Authenticator>: FromRef<S>,
{
    type Rejection = D::Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let authenticator = Arc::<Authenticator>::from_ref(state);
        let (arrived_at, answer_by) = (authenticator.clock.now(), Instant::now() + REPLY_TIMEOUT);
        let admission = Admission::to::<P>(D::NAME);

        let credentials = Credentials::read(parts, admission)?;
        let record = parts.extensions.get::<Record>();
        let address = authenticator.client_address(parts);
        let recognised = authenticator.recognise(admission, &credentials, parts, address).await;
        if let (Some(Record(record)), Err(Rejection::RateLimited(status))) = (record, &recognised) {
            let _ = record.rate.set(*status);
        }
        let principal = recognised?;
        if let Some(org) = credentials.org
            && principal.credential != Credential::OrgHeader
        {
            org_header::select(D::NAME, org, &principal.organization)?;
        }
        if let Some(Record(record)) = record {
            let _ = record.org.set(principal.organization.id);
            let _ = record.sender.set(Sender::of(&principal));
        }
        if let Some(scope) = P::SCOPE.filter(|scope| !principal.scopes.has(*scope)) {
            return Err(Rejection::Forbidden(Forbidden::Scope(scope)).into());
        }
        let counted = authenticator.limiter.count(
            P::CLASS,
            &OrgLimits::from(&*principal.organization),
            &principal.credential,
            address,
        );
        if let (Some(Record(record)), Ok(Some(status)) | Err(status)) = (record, &counted) {
            let _ = record.rate.set(*status);
        }
        counted.map_err(Rejection::RateLimited)?;
        // Only for reads, because what an organization has read must not prevent it from storing.
        if P::CLASS == Class::Read {
            authenticator.limiter.responses.check(principal.organization.id).map_err(|status| {
                if let Some(Record(record)) = record {
                    let _ = record.exceeded.set(status);
                }
                Rejection::RateLimited(status)
            })?;
        }

        let key = match principal.credential {
            Credential::ApiKey(id) => Some(id),
            _ => None,
        };
        let mut store = authenticator.store.tenant_within_quota(&principal.organization).used_by(key);
        let counted = store.requested(D::NAME, arrived_at);
        if let Some(Record(record)) = record {
            let _ = record.counted.set(counted);
        }
        if let Some(Deferred(error)) = parts.extensions.get::<Deferred<D>>() {
            return Err(error.clone());
        }
        if P::IS_RECORDED {
            store = store.acting_for(Actor {
                identity: (&principal.credential).into(),
                address,
                request_id: record.map(|Record(record)| record.id.clone()),
                at: Some(arrived_at),
            });
        }
        Ok(Self {
            store,
            clock: authenticator.clock.clone(),
            mint: authenticator.mint.clone(),
            arrived_at,
            answer_by,
            reservation: None,
            principal,
            for_purpose: PhantomData,
        })
    }
}

impl Authenticator {
    /// Uses the API key if there is one, or else the token, the public header, a token without a header, the cookie of a
    /// login of the console, or no credential, in this order.
    async fn recognise(
        &self,
        admission: Admission,
        credentials: &Credentials<'_>,
        parts: &Parts,
        address: Option<IpAddr>,
    ) -> Result<Principal, Rejection> {
        if let Some(key) = credentials.api_key {
            let key = ApiKey::parse(key).ok_or(Rejection::Unauthenticated(Unauthenticated::BadKey))?;
            return api_key::authenticate(self, &key, address).await;
        }
        match (&credentials.bearer, credentials.org) {
            (Some(Bearer::Token(token)), _) => {
                if admission.key_as_bearer
                    && let Some(key) = ApiKey::parse(token)
                {
                    if access_token::looks_like_one(token)
                        && let Some(principal) = access_token::authenticate(self, &key, address).await?
                    {
                        return Ok(principal);
                    }
                    return api_key::authenticate(self, &key, address).await;
                }
                self.recognise_token(token, address).await
            }
            (Some(Bearer::Other), _) => Err(Rejection::Unauthenticated(Unauthenticated::BadToken)),
            (None, Some(org)) if admission.org_header => org_header::alone(self, org, address).await,
            (None, Some(_)) => Err(Rejection::Unauthenticated(Unauthenticated::Missing)),
            (None, None) => match (&credentials.headerless, admission.nothing) {
                (Some(token), _) => self.recognise_token(token, address).await,
                (None, _)
                    if let Some(cookie) = console_login::cookie(self, parts).filter(|_| admission.console_cookie) =>
                {
                    self.recognise_login(cookie, parts, address).await
                }
                (None, Nothing::BadRequest) => Err(Rejection::MalformedHeader("x-org-id")),
                (None, Nothing::Unauthenticated) => Err(Rejection::Unauthenticated(Unauthenticated::Missing)),
                (None, Nothing::DefaultOrg) => self.anonymous(parts, address).await,
            },
        }
    }

    pub(super) async fn recognise_token(&self, token: &str, address: Option<IpAddr>) -> Result<Principal, Rejection> {
        let jwt = self.jwt.as_ref().ok_or(Rejection::Unauthenticated(Unauthenticated::BadToken))?;
        token::authenticate(self, jwt, token, address).await
    }
}
