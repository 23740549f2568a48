//! The extractor that handlers name: who calls, what for, and the store as they may see it.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, header};
use ipnet::IpNet;
use tokio::time::Instant;

use super::admission::{Admission, Nothing};
use super::headers::{Bearer, Credentials};
use super::{JwtVerifier, access_token, api_key, client_address, org_header};
use crate::domain::{ApiKey, Clock, Credential, Mint, OrgId, Principal, Proof, Scope, Scopes, Timestamp};
use crate::http::listener::Peer;
use crate::http::{ANSWER_TIMEOUT, Class, Dialect, Forbidden, RateLimiter, Record, Refusal, Unauthenticated};
use crate::store::{Reservation, Series, Store, StoreError, TenantStore};

/// What authentication works with.
pub struct Gate {
    pub store: Store,
    pub clock: Clock,
    pub mint: Mint,
    pub limiter: RateLimiter,
    /// Without one, tokens are refused.
    pub jwt: Option<JwtVerifier>,
    pub trusted_proxies: Vec<IpNet>,
    pub default_org: Option<DefaultOrg>,
}

/// On whose behalf the messaging dialect's anonymous calls are made.
#[derive(Clone, Copy, Debug)]
pub struct DefaultOrg {
    pub id: OrgId,
    /// Also for calls that did not come over loopback, to a loopback name.
    pub anywhere: bool,
}

/// What a route is for: the scope it needs, and which rate limit counts it.
pub trait Purpose: Send + Sync + 'static {
    const SCOPE: Scope;
    const CLASS: Class;
    /// Whether a token may come without a header, as browsers' `EventSource` sends it.
    const HEADERLESS_TOKEN: bool = false;
}

/// The purposes.
pub mod purpose {
    use super::{Class, Purpose, Scope};

    macro_rules! purposes {
        ($($(#[$doc:meta])* $name:ident: $scope:ident, $class:ident;)*) => {
            $($(#[$doc])*
            pub enum $name {}

            impl Purpose for $name {
                const SCOPE: Scope = Scope::$scope;
                const CLASS: Class = Class::$class;
            })*
        };
    }

    purposes! {
        /// Writing down what happened elsewhere.
        Capture: Capture, Capture;
        ReadSessions: SessionsRead, Read;
        WriteSessions: SessionsWrite, Write;
        ReadEvents: EventsRead, Read;
        WriteEvents: EventsWrite, Write;
        ReadAgents: AgentsRead, Read;
        WriteAgents: AgentsWrite, Write;
        /// API keys and the organization itself.
        Manage: Manage, Write;
    }

    /// Following what happens, from a browser as well.
    pub enum FollowEvents {}

    impl Purpose for FollowEvents {
        const SCOPE: Scope = ReadEvents::SCOPE;
        const CLASS: Class = ReadEvents::CLASS;
        const HEADERLESS_TOKEN: bool = true;
    }
}

/// A caller with the right to do `P`, in the voice of dialect `D`.
pub struct Caller<D, P> {
    pub principal: Principal,
    /// Sees the caller's organization and no other.
    pub store: TenantStore,
    /// Goes on while the request is served.
    pub clock: Clock,
    pub mint: Mint,
    arrived_at: Timestamp,
    answer_by: Instant,
    reservation: Option<Arc<Reservation>>,
    for_purpose: PhantomData<(D, P)>,
}

impl<D, P> Caller<D, P> {
    /// When the request arrived: one moment for everything that is done about it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.arrived_at
    }

    /// Until when the handler can wait for somebody else and still answer in the vendor's words, whatever took its time
    /// since the request arrived; also where this is another attempt at a reserved request.
    #[must_use]
    pub fn answer_by(&self) -> Instant {
        self.answer_by
    }

    /// The next public integer of a series; the same one however often a reserved request is attempted. A request has
    /// one per series.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn number(&self, series: Series) -> Result<i64, StoreError> {
        match &self.reservation {
            None => self.store.numbers().next(series).await,
            Some(reservation) => Box::pin(self.store.idempotency().number(reservation, series)).await,
        }
    }

    /// The caller as every attempt at a reserved request sees them: with the time, the chance and the numbers of the
    /// first.
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
    Arc<Gate>: FromRef<S>,
{
    type Rejection = D::Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let gate = Arc::<Gate>::from_ref(state);
        let (arrived_at, answer_by) = (gate.clock.now(), Instant::now() + ANSWER_TIMEOUT);
        let admission = Admission::to::<P>(D::NAME);
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());

        let credentials = Credentials::read(parts, admission)?;
        let record = parts.extensions.get::<Record>();
        let address = client_address::of(peer, &parts.headers, &gate.trusted_proxies);
        let recognised = gate.recognise(admission, &credentials, &parts.headers, peer, address).await;
        if let (Some(Record(record)), Err(Refusal::RateLimited(status))) = (record, &recognised) {
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
        }
        if !principal.scopes.has(P::SCOPE) {
            return Err(Refusal::Forbidden(Forbidden::Scope(P::SCOPE)).into());
        }
        let counted = gate.limiter.count(
            P::CLASS,
            principal.organization.id,
            &principal.organization.rate_limits,
            &principal.credential,
            address,
        );
        if let (Some(Record(record)), Ok(Some(status)) | Err(status)) = (record, &counted) {
            let _ = record.rate.set(*status);
        }
        counted.map_err(Refusal::RateLimited)?;

        Ok(Self {
            store: gate.store.tenant_within_quota(&principal.organization),
            clock: gate.clock.clone(),
            mint: gate.mint.clone(),
            arrived_at,
            answer_by,
            reservation: None,
            principal,
            for_purpose: PhantomData,
        })
    }
}

impl Gate {
    /// The API key decides where there is one; then the token; then the public header; then a token that came without
    /// a header; then nothing.
    async fn recognise(
        &self,
        admission: Admission,
        credentials: &Credentials<'_>,
        headers: &HeaderMap,
        peer: Option<std::net::IpAddr>,
        address: Option<std::net::IpAddr>,
    ) -> Result<Principal, Refusal> {
        if let Some(key) = credentials.api_key {
            let key = ApiKey::parse(key).ok_or(Refusal::Unauthenticated(Unauthenticated::BadKey))?;
            return api_key::authenticate(&self.store, &self.clock, &key).await;
        }
        match (&credentials.bearer, credentials.org) {
            (Some(Bearer::Token(token)), _) => {
                if admission.key_as_bearer
                    && let Some(key) = ApiKey::parse(token)
                {
                    if access_token::looks_like_one(token)
                        && let Some(principal) = access_token::authenticate(&self.store, &self.clock, &key).await?
                    {
                        return Ok(principal);
                    }
                    return api_key::authenticate(&self.store, &self.clock, &key).await;
                }
                self.recognise_token(token).await
            }
            (Some(Bearer::Other), _) => Err(Refusal::Unauthenticated(Unauthenticated::BadToken)),
            (None, Some(org)) if admission.org_header => org_header::alone(self, org, address).await,
            (None, Some(_)) => Err(Refusal::Unauthenticated(Unauthenticated::Missing)),
            (None, None) => match (&credentials.headerless, admission.nothing) {
                (Some(token), _) => self.recognise_token(token).await,
                (None, Nothing::BadRequest) => Err(Refusal::MalformedHeader("x-org-id")),
                (None, Nothing::Unauthenticated) => Err(Refusal::Unauthenticated(Unauthenticated::Missing)),
                (None, Nothing::DefaultOrg) => self.anonymous(headers, peer).await,
            },
        }
    }

    async fn recognise_token(&self, token: &str) -> Result<Principal, Refusal> {
        let jwt = self.jwt.as_ref().ok_or(Refusal::Unauthenticated(Unauthenticated::BadToken))?;
        jwt.authenticate(&self.store, &self.clock, token).await
    }

    /// Somebody without a credential, where a default organization stands in.
    async fn anonymous(&self, headers: &HeaderMap, peer: Option<std::net::IpAddr>) -> Result<Principal, Refusal> {
        let missing = Refusal::Unauthenticated(Unauthenticated::Missing);
        let Some(default_org) = self.default_org else { return Err(missing) };
        let local = peer.is_none_or(|peer| peer.to_canonical().is_loopback()) && names_loopback(headers, header::HOST);
        if !(default_org.anywhere || local) || !names_loopback(headers, header::ORIGIN) {
            return Err(missing);
        }
        let organization = self
            .store
            .directory()
            .organization(default_org.id)
            .await?
            .filter(|organization| organization.disabled_at.is_none())
            .ok_or(missing)?;
        let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Manage).collect::<Scopes>();
        let credential = Credential::Anonymous;
        Ok(Principal { organization, credential, scopes, proof: Proof::NotKept, expires_at: None })
    }
}

/// Whether a `Host` or `Origin` header is absent or names this machine.
///
/// A page from elsewhere shows its own origin; one that has had its own name pointed at 127.0.0.1 shows that name as
/// host. Neither may speak for the default organization.
fn names_loopback(headers: &HeaderMap, name: header::HeaderName) -> bool {
    headers.get_all(name).iter().all(|value| {
        let Ok(text) = value.to_str() else { return false };
        let authority = text.split_once("://").map_or(text, |(_, authority)| authority);
        if authority.contains('@') {
            return false;
        }
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn loopback_is_told_from_elsewhere() {
        let names = |text: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = text {
                headers.insert(header::ORIGIN, HeaderValue::from_static(text));
            }
            names_loopback(&headers, header::ORIGIN)
        };
        for local in [None, Some("http://localhost:5173"), Some("http://127.0.0.1"), Some("http://[::1]:3000")] {
            assert!(names(local), "{local:?}");
        }
        for foreign in [
            "null",
            "https://example.com",
            "http://localhost.example.com",
            "http://192.0.2.1:3000",
            "http://localhost:3000@example.com",
            "",
        ] {
            assert!(!names(Some(foreign)), "{foreign}");
        }
    }
}
