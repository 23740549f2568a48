//! The organization of a test, and the whole service for it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use chrono::DateTime;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use sessionary::auth::{
    Authenticator, BaseUrl, DefaultOrg, JwtVerifier, LeakReports, Operators, Provisioning, TrustedIssuers,
};
use sessionary::conversation::Conversations;
use sessionary::dialects::agntix;
use sessionary::dialects::integer_id::Transfers;
use sessionary::dialects::messaging::Bounds;
use sessionary::domain::{
    AgentId, AllowedAddresses, ApiKey, Clock, Contract, KeyId, KeyPrefix, Mint, NewAgent, OrgId, RateLimits, Responder,
    Scopes, Timestamp,
};
use sessionary::http::bounds::Peer;
use sessionary::http::{CostlyWork, LargeBodies, RateLimiter, ResponseLimits};
use sessionary::idempotency::WaitTimeout;
use sessionary::outbound::PrivateAddresses;
use sessionary::responders::{Responders, RespondersSettings};
use sessionary::store::admin::{NewAvatar, NewKey, NewOrganization};
use sessionary::store::{SessionRow, Store, TenantStore};
use sessionary::{Deployment, build_app};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{AGENT_ID, AGENT_KEY, AGENT_NUMBER, MESSAGING_AGENT_ID, Reply, admin, change_agent, store};

/// The service, a clock that only the test moves, and an organization with the agents of the vendors' pages.
pub struct TestApp {
    pub router: Router,
    pub clock: Clock,
    pub mint: Mint,
    pub org: OrgId,
    /// A key with all scopes.
    pub key: String,
    pub external_id: String,
    pub conversations: Conversations,
    /// Stops the service.
    pub stop: CancellationToken,
}

/// The configuration of the service. The default is the deployment's default, with limits on.
pub struct Setup {
    pub contract: Contract,
    pub jwt: Option<JwtVerifier>,
    /// Makes organizations that tokens name for the first time.
    pub provisioning: Option<Provisioning>,
    /// Whether the test's organization stands in for callers of the messaging dialect without a credential.
    pub default_org: bool,
    pub cors_origins: Vec<HeaderValue>,
    pub wait_timeout: WaitTimeout,
    pub responders: RespondersSettings,
    pub messaging: Bounds,
    pub agntix: agntix::Settings,
    pub public_url: Option<BaseUrl>,
    /// Accepts reports of leaked keys.
    pub leak_reports: Option<LeakReports>,
    pub transfers: Transfers,
    /// A store for the test, instead of the one that all tests share.
    pub store: Option<Store>,
    pub costly: CostlyWork,
    pub large_bodies: LargeBodies,
    /// Whether requests and bytes are counted.
    pub rate_limit: bool,
    /// Requests per minute from one address without a credential of their own.
    pub per_address: Option<NonZeroU32>,
    /// How fast an organization may read large responses.
    pub responses: ResponseLimits,
    /// Whether callers of the test's organization with the scope `manage` are operators.
    pub operator: bool,
    /// Networks such as `10.0.0.0/8`.
    pub trusted_proxies: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            contract: Contract::Documented,
            jwt: None,
            provisioning: None,
            default_org: false,
            cors_origins: Vec::new(),
            wait_timeout: WaitTimeout::default(),
            // A test's endpoints are on this machine.
            responders: RespondersSettings {
                private_addresses: PrivateAddresses::Allowed,
                ..RespondersSettings::default()
            },
            messaging: Bounds::default(),
            agntix: agntix::Settings::default(),
            public_url: None,
            leak_reports: None,
            transfers: Transfers::default(),
            store: None,
            costly: CostlyWork::default(),
            large_bodies: LargeBodies::default(),
            rate_limit: true,
            per_address: None,
            responses: ResponseLimits::default(),
            operator: false,
            trusted_proxies: &[],
        }
    }
}

/// Returns 2026-04-29T09:00:00Z, a time in the vendors' examples.
pub fn start() -> Timestamp {
    DateTime::from_timestamp(1_777_453_200, 0).expect("a moment")
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let (clock, mint) = (Clock::manual(start()), Mint::system());
        let org = OrgId(mint.uuid());
        let external_id = format!("org_{}", mint.hex(16));
        make_organization(org, &external_id).await;
        let mut limiter = RateLimiter::new(setup.rate_limit, clock.clone());
        if let Some(limit) = setup.per_address {
            limiter = limiter.with_per_address(limit);
        }
        if setup.rate_limit {
            limiter = limiter.with_responses(setup.responses);
        }
        let authenticator = Authenticator {
            store: match setup.store {
                Some(store) => store,
                None => store().await.clone(),
            },
            clock: clock.clone(),
            mint: mint.clone(),
            limiter,
            jwt: setup.jwt,
            provisioning: setup.provisioning,
            trusted_proxies: setup.trusted_proxies.iter().map(|net| net.parse().expect("a network")).collect(),
            default_org: setup.default_org.then_some(DefaultOrg { id: org, anywhere: false }),
        };
        let stop = CancellationToken::new();
        let conversations = conversations(&clock, setup.responders, &stop);
        let router = Router::new().fallback_service(build_app(Deployment {
            contract: setup.contract,
            cors_origins: setup.cors_origins.into(),
            wait_timeout: setup.wait_timeout,
            messaging: setup.messaging,
            agntix: setup.agntix,
            public_url: setup.public_url,
            leak_reports: setup.leak_reports,
            operators: match setup.operator {
                true => Operators::new(vec![org], admin().await.clone(), TrustedIssuers::default()),
                false => Operators::default(),
            },
            transfers: setup.transfers,
            costly: setup.costly,
            large_bodies: setup.large_bodies,
            ..Deployment::new(Arc::new(authenticator), conversations.clone())
        }));
        let key = make_key(&mint, org, Scopes::EVERY, None).await.0;
        Self { router, clock, mint, org, key, external_id, conversations, stop }
    }

    /// Returns a service whose responders have this time limit for each step.
    pub async fn impatient(step: Duration) -> Self {
        let setup = Setup::default();
        let responders =
            RespondersSettings { connect: step, first_byte: step, between_chunks: step, ..setup.responders };
        Self::with(Setup { responders, ..setup }).await
    }

    /// Sets the responder of the organization's agents: `none`, `echo` or a JSON object.
    pub async fn answered_by(&self, responder: &str) {
        let responder = responder.parse().expect("a responder");
        admin().await.set_responder(self.org, &responder).await.expect("a responder");
    }

    /// Sets no responder, so that only a worker of the customer can reply.
    pub async fn nobody_answers(&self) {
        self.answered_by("none").await;
    }

    /// Returns a key of the test's organization with these scopes, such as `sessions:read`.
    pub async fn key_with(&self, scopes: &str) -> String {
        make_key(&self.mint, self.org, scopes.parse().expect("scopes"), None).await.0
    }

    /// Returns a key that expires, and its id.
    pub async fn key_until(&self, end: Timestamp) -> (String, KeyId) {
        make_key(&self.mint, self.org, Scopes::EVERY, Some(end)).await
    }

    /// Returns a key that may be used from these networks, and its id.
    pub async fn key_from(&self, networks: &[&str]) -> (String, KeyId) {
        let (key, id) = make_key(&self.mint, self.org, Scopes::EVERY, None).await;
        self.allow_addresses(id, networks).await;
        (key, id)
    }

    /// Sets the networks from which a key may be used; without any, it may be used from everywhere.
    pub async fn allow_addresses(&self, id: KeyId, networks: &[&str]) {
        let texts: Vec<String> = networks.iter().map(|network| (*network).to_owned()).collect();
        let list = (!texts.is_empty()).then(|| AllowedAddresses::parse(&texts).expect("networks"));
        admin().await.set_key_addresses(id, list.as_ref()).await.expect("a key");
    }

    /// Limits the requests per minute of this organization's credentials, of every class.
    pub async fn limit_to(&self, per_minute: u32) {
        let limit = std::num::NonZeroU32::new(per_minute);
        let limits = RateLimits { capture: limit, writes: limit, reads: limit };
        admin().await.set_limits(self.org, true, limits).await.expect("limits");
    }

    /// Limits the requests per minute of all of this organization's credentials together, of every class.
    pub async fn limit_all_to(&self, per_minute: u32) {
        let limit = std::num::NonZeroU32::new(per_minute);
        let limits = RateLimits { capture: limit, writes: limit, reads: limit };
        let set = admin().await.change_organization(self.org, |settings| settings.total_rate_limits = limits).await;
        set.expect("limits");
    }

    /// Creates an organization that has nothing.
    pub async fn organization_without_callers(&self) -> OrgId {
        let id = OrgId(self.mint.uuid());
        let new = NewOrganization {
            id,
            name: "Empty",
            external_id: None,
            issuer: "",
            responder: &Responder::None,
            created_at: start(),
        };
        admin().await.create_organization(&new).await.expect("an organization");
        id
    }

    /// Creates an agent without an avatar that no other organization has.
    pub async fn add_agent(&self) -> (AgentId, i64) {
        let id = AgentId(self.mint.uuid());
        let agent = NewAgent::named(id, id.to_string().parse().expect("a key"), "One more".to_owned(), start());
        (id, admin().await.create_agent(self.org, &agent).await.expect("an agent"))
    }

    /// Disables an agent, so that it accepts no new sessions.
    pub async fn disable_agent(&self, agent: AgentId) {
        change_agent("UPDATE agents SET enabled = false WHERE org_id = $1 AND agent_id = $2", self.org, agent).await;
    }

    /// Deletes an agent. Its sessions stay.
    pub async fn delete_agent(&self, agent: AgentId) {
        change_agent("UPDATE agents SET deleted_at = now() WHERE org_id = $1 AND agent_id = $2", self.org, agent).await;
    }

    /// Returns the session with this public id. Fails unless there is exactly one.
    pub async fn session_called(&self, name: &str) -> SessionRow {
        let mut rows = admin().await.sessions_called(self.org, name).await.expect("sessions");
        assert_eq!(rows.len(), 1, "sessions called {name}");
        rows.remove(0)
    }

    /// Returns the store of the test's organization.
    pub async fn tenant(&self) -> TenantStore {
        store().await.tenant(self.org)
    }

    /// Returns how many sessions the organization has, of all dialects.
    pub async fn sessions(&self) -> usize {
        admin().await.sessions(self.org, None, None, 10_000).await.expect("sessions").len()
    }

    /// Returns a request with the organization's key; see [`Ask`] for its options.
    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let headers = vec![(HeaderName::from_static("x-api-key"), HeaderValue::from_str(&self.key).expect("a key"))];
        Ask { app: self, method, path: path.to_owned(), headers, body: Body::empty(), peer: None }
    }

    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    /// Returns a POST of this JSON text.
    pub fn post(&self, path: &str, json: impl Into<String>) -> Ask<'_> {
        self.ask(Method::POST, path).json(json)
    }
}

/// A request to be sent.
pub struct Ask<'a> {
    app: &'a TestApp,
    method: Method,
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
    peer: Option<SocketAddr>,
}

impl Ask<'_> {
    /// Removes every credential.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.headers.retain(|(name, _)| !["x-api-key", "authorization", "x-org-id"].contains(&name.as_str()));
        self
    }

    /// Adds a header. Several with the same name stay several.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.push((name, HeaderValue::from_bytes(value.as_ref()).expect("a header's value")));
        self
    }

    /// Sends the request from this address. By default it has no connection.
    #[must_use]
    pub fn from(mut self, address: &str) -> Self {
        self.peer = Some(SocketAddr::new(address.parse().expect("an address"), 40_000));
        self
    }

    /// Removes a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other.as_str() != name);
        self
    }

    /// Sends only `x-org-id` as a credential.
    #[must_use]
    #[expect(clippy::wrong_self_convention, reason = "it reads as who is calling")]
    pub fn as_org_header(self) -> Self {
        let org = self.app.org.to_string();
        self.anonymous().header("x-org-id", org)
    }

    /// Sends this text as JSON.
    #[must_use]
    pub fn json(self, json: impl Into<String>) -> Self {
        let json: String = json.into();
        self.without("content-type").header("content-type", "application/json").body(json)
    }

    /// Sends these bytes without a content type.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Body>) -> Self {
        self.body = bytes.into();
        self
    }

    /// Sends the request. Returns the whole response.
    pub async fn send(self) -> Reply {
        let (parts, body) = self.open().await.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    /// Sends the request. Returns the response with its body still to be read.
    pub async fn open(self) -> Response<Body> {
        let mut request = Request::builder().method(self.method).uri(&self.path).body(self.body).expect("a request");
        request.headers_mut().extend(self.headers.into_iter().fold(
            http::HeaderMap::new(),
            |mut all, (name, value)| {
                all.append(name, value);
                all
            },
        ));
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(Peer(peer));
        }
        match self.app.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// How long a turn continues after the service is stopped.
const GRACE: Duration = Duration::from_millis(50);

/// Returns conversations whose turns end soon after `stop`.
pub fn conversations(clock: &Clock, settings: RespondersSettings, stop: &CancellationToken) -> Conversations {
    Conversations::new(Responders::new(settings).expect("responders"), clock.clone(), stop.clone(), GRACE)
}

async fn make_organization(org: OrgId, external_id: &str) {
    let admin = admin().await;
    admin
        .create_organization(&NewOrganization {
            id: org,
            name: "A test's own",
            external_id: Some(external_id),
            issuer: "",
            responder: &Responder::Echo,
            created_at: start(),
        })
        .await
        .expect("an organization");
    let avatar = NewAvatar {
        number: 1,
        name: "Professional Avatar",
        url: "https://example.com/avatar.jpg",
        voice_id: Some("21m00Tcm4TlvDq8ikWAM"),
        created_at: start(),
    };
    admin.create_avatar(org, &avatar).await.expect("an avatar");
    for (id, key, number, name, avatar_number) in [
        (AGENT_ID, AGENT_KEY, Some(AGENT_NUMBER), "Sales Support Agent", Some(1)),
        (MESSAGING_AGENT_ID, "messaging_agent", None, "Messaging Agent", None),
    ] {
        let agent = NewAgent {
            number: number.and_then(sessionary::domain::AgentNumber::new),
            avatar_number,
            ..NewAgent::named(
                id.parse::<AgentId>().expect("a UUID"),
                key.parse().expect("a key"),
                name.to_owned(),
                start(),
            )
        };
        admin.create_agent(org, &agent).await.expect("an agent");
    }
}

async fn make_key(mint: &Mint, org: OrgId, scopes: Scopes, expires_at: Option<Timestamp>) -> (String, KeyId) {
    let prefix = KeyPrefix::default();
    let key = ApiKey::generate(&prefix, mint);
    let id = KeyId(mint.uuid());
    let new = NewKey {
        id,
        org,
        name: "test",
        prefix: &prefix,
        key: &key,
        scopes,
        created_at: start(),
        expires_at,
        allowed_addresses: None,
    };
    admin().await.create_key(&new).await.expect("a key");
    (key.expose().to_owned(), id)
}
