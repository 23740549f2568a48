//! Logins of the console: a credential becomes a cookie, so that the page's scripts never have it.
//!
//! The cookie is a random value, of which only the SHA-256 is stored. A login ends with its key within a second, or with
//! its token, after 12 hours at the latest, or when the user logs out. Browsers send cookies with requests that other
//! pages begin, so a request with a cookie that changes something must come from a page of this service.

use std::net::IpAddr;

use chrono::TimeDelta;
use http::request::Parts;
use http::{HeaderMap, Method, header};

use super::authenticator::Authenticator;
use super::base_url::{self, BaseUrl};
use super::{api_key, headerless};
use crate::domain::{Actor, ApiKey, Credential, Identity, LoginSecret, Principal, Proof, Scopes};
use crate::http::{Class, Forbidden, Lookup, OrgLimits, Rejection, Unauthenticated};
use crate::store::{ConsoleLogin, LoginHolder, TenantStore};

/// The cookie's name. Browsers accept the prefix `__Host-` only from HTTPS, for this host and for every path.
const COOKIE: &str = "__Host-sessionary";
/// The cookie's name at this machine's own address without HTTPS.
const LOCAL_COOKIE: &str = "sessionary_console";
/// How long a login lasts at most.
const LIFETIME: TimeDelta = TimeDelta::hours(12);
/// The subject and the issuer of a login with a one-time link.
const LINK_SUBJECT: &str = "one-time link";
const LINK_ISSUER: &str = "console";
/// Limit of the characters of a stored subject or issuer.
const MAX_NAME: usize = 512;

/// What a user logs in with.
pub enum LoginCredential<'a> {
    Key(&'a str),
    Token(&'a str),
    /// The secret of a one-time link.
    Link(&'a str),
}

/// A login that has begun.
pub struct BegunLogin {
    pub secret: LoginSecret,
    /// How long it lasts, in whole seconds.
    pub lasts: i64,
}

impl Authenticator {
    /// Begins a login and records it in the audit log.
    ///
    /// # Errors
    /// 401 when the credential is not valid, 403 when it belongs to no organization, 429 when a rate limit is used up,
    /// 503 when the database cannot be reached.
    pub async fn log_in(
        &self,
        credential: LoginCredential<'_>,
        address: Option<IpAddr>,
        request_id: Option<String>,
    ) -> Result<BegunLogin, Rejection> {
        let now = self.clock.now();
        let mut link = None;
        let principal = match credential {
            LoginCredential::Key(text) => {
                let key = ApiKey::parse(text).ok_or(Rejection::Unauthenticated(Unauthenticated::BadKey))?;
                api_key::authenticate(self, &key, address).await?
            }
            LoginCredential::Token(text) => self.recognise_token(text, address).await?,
            LoginCredential::Link(text) => {
                let secret = LoginSecret::parse(text).ok_or_else(bad_token)?;
                link = Some(secret.hash());
                self.of_link(&secret, address).await?
            }
        };
        let organization = &principal.organization;
        self.limiter
            .count(Class::Write, &OrgLimits::from(&**organization), &principal.credential, address)
            .map_err(Rejection::RateLimited)?;
        let latest = now + LIFETIME;
        let expires_at = principal.expires_at.map_or(latest, |end| end.min(latest));
        let holder = match (&principal.proof, &principal.credential) {
            (Proof::ApiKey(hash), _) => LoginHolder::Key(*hash),
            (_, Credential::Jwt { subject, issuer }) => LoginHolder::User {
                subject: subject.as_deref().map(storable),
                issuer: storable(issuer),
                scopes: principal.scopes,
            },
            _ => return Err(bad_token()),
        };
        let identity = Identity::from(&principal.credential);
        let store = self.store.tenant_within_quota(organization);
        let store = store.acting_for(Actor { identity, address, request_id, at: Some(now) });
        let secret = LoginSecret::generate(organization.id, &self.mint);
        let login = ConsoleLogin { holder, expires_at };
        if !store.console_logins().begin(secret.hash(), &login, link, now).await? {
            return Err(bad_token());
        }
        Ok(BegunLogin { secret, lasts: (expires_at - now).num_seconds().max(0) })
    }

    /// Returns the caller that a one-time link stands for, if it is valid.
    async fn of_link(&self, secret: &LoginSecret, address: Option<IpAddr>) -> Result<Principal, Rejection> {
        let directory = self.store.directory();
        let look = directory.active_organization(secret.org());
        let found = self.limiter.lookups().counted(address, Lookup::ConsoleLogin(secret.hash()), look).await?;
        Ok(Principal {
            organization: found.ok_or_else(bad_token)?,
            credential: Credential::Jwt { subject: Some(LINK_SUBJECT.to_owned()), issuer: LINK_ISSUER.to_owned() },
            scopes: Scopes::EVERY,
            proof: Proof::NotKept,
            expires_at: None,
            allowed_addresses: None,
            address,
        })
    }

    /// Ends the login of a caller and records it in the audit log. Does nothing for a caller with another credential.
    ///
    /// # Errors
    /// 503 when the database cannot be reached.
    pub async fn log_out(&self, principal: &Principal, store: &TenantStore) -> Result<(), Rejection> {
        if let Proof::ConsoleLogin(login, _) = principal.proof {
            store.console_logins().end(login).await?;
        }
        Ok(())
    }

    /// Returns the caller that the cookie of a login belongs to.
    ///
    /// # Errors
    /// 401 when there is no such login or it has ended, 403 when the request changes something and comes from another
    /// page, 429 when the client's address has tried too many invented cookies.
    pub(super) async fn recognise_login(
        &self,
        cookie: &str,
        parts: &Parts,
        address: Option<IpAddr>,
    ) -> Result<Principal, Rejection> {
        let secret = LoginSecret::parse(cookie).ok_or_else(bad_token)?;
        let (org, hash) = (secret.org(), secret.hash());
        let directory = self.store.directory();
        let look = directory.console_login(org, hash);
        let login = self.limiter.lookups().counted(address, Lookup::ConsoleLogin(hash), look).await?;
        let login = login.filter(|login| login.expires_at > self.clock.now()).ok_or_else(bad_token)?;
        let proof = Proof::ConsoleLogin(hash, login.expires_at);
        let principal = match &login.holder {
            LoginHolder::Key(key) => {
                let key_of_login = api_key::authenticate_hash(self, *key, address).await?;
                Principal { proof, ..key_of_login }
            }
            LoginHolder::User { subject, issuer, scopes } => Principal {
                organization: directory.active_organization(org).await?.ok_or_else(bad_token)?,
                credential: Credential::Jwt { subject: subject.clone(), issuer: issuer.clone() },
                scopes: *scopes,
                proof,
                expires_at: None,
                allowed_addresses: None,
                address,
            },
        };
        if principal.organization.id != org {
            return Err(bad_token());
        }
        let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes && self.page_of(parts) != Page::Own {
            return Err(Rejection::Forbidden(Forbidden::CrossSite));
        }
        Ok(principal)
    }

    /// Returns which page the request comes from.
    #[must_use]
    pub fn page_of(&self, parts: &Parts) -> Page {
        page_of(&parts.headers, base_url::of_request(parts, &self.trusted_proxies).as_ref())
    }
}

/// Where a request comes from, as the browser reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// A page of this service.
    Own,
    /// A page of another origin.
    Foreign,
    /// The request has no header that browsers send.
    Unknown,
}

/// Reads `Sec-Fetch-Site`, or else `Origin` for browsers without it. Pages can set neither.
fn page_of(headers: &HeaderMap, own: Option<&BaseUrl>) -> Page {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if let Some(site) = sites.next() {
        return if sites.next().is_none() && site == "same-origin" { Page::Own } else { Page::Foreign };
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return Page::Unknown };
    let is_own = own.is_some_and(|own| origin.as_bytes() == own.origin().as_bytes());
    if is_own && origins.next().is_none() { Page::Own } else { Page::Foreign }
}

/// Returns the value of a login's cookie. The name without the prefix is read only where it is set, because pages of
/// neighbouring hosts can set a cookie without the prefix.
pub(super) fn cookie<'p>(authenticator: &Authenticator, parts: &'p Parts) -> Option<&'p str> {
    headerless::cookie(&parts.headers, COOKIE).or_else(|| {
        let url = base_url::of_request(parts, &authenticator.trusted_proxies)?;
        headerless::cookie(&parts.headers, LOCAL_COOKIE).filter(|_| url.is_local() && !url.is_https())
    })
}

/// Returns the `Set-Cookie` header of a login at this URL, or `None` if browsers could not store the cookie safely there:
/// without HTTPS, except on this machine.
#[must_use]
pub fn login_cookie(url: &BaseUrl, login: &BegunLogin) -> Option<String> {
    let value = login.secret.expose();
    let lasts = login.lasts;
    let attributes = format!("Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict");
    if url.is_https() {
        Some(format!("{COOKIE}={value}; {attributes}; Secure"))
    } else {
        url.is_local().then(|| format!("{LOCAL_COOKIE}={value}; {attributes}"))
    }
}

/// Returns the `Set-Cookie` headers that delete both cookies.
#[must_use]
pub fn logout_cookies() -> [String; 2] {
    [
        format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"),
        format!("{LOCAL_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"),
    ]
}

fn bad_token() -> Rejection {
    Rejection::Unauthenticated(Unauthenticated::BadToken)
}

/// Returns at most [`MAX_NAME`] characters without U+0000, which Postgres cannot store.
fn storable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(headers: &[(&str, &str)]) -> Page {
        let request =
            headers.iter().fold(http::Request::post("/"), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        page_of(&parts.headers, "https://sessions.example:8443".parse().ok().as_ref())
    }

    #[test]
    fn only_the_services_own_pages_are_its_own() {
        assert_eq!(page(&[("sec-fetch-site", "same-origin")]), Page::Own);
        assert_eq!(page(&[("sec-fetch-site", "same-origin"), ("origin", "https://other.example")]), Page::Own);
        for site in ["same-site", "cross-site", "none", "", "Same-Origin"] {
            assert_eq!(page(&[("sec-fetch-site", site)]), Page::Foreign, "{site}");
            let with_origin = [("sec-fetch-site", site), ("origin", "https://sessions.example:8443")];
            assert_eq!(page(&with_origin), Page::Foreign, "{site}");
        }
        assert_eq!(page(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]), Page::Foreign);

        assert_eq!(page(&[("origin", "https://sessions.example:8443")]), Page::Own);
        for origin in [
            "null",
            "",
            "http://sessions.example:8443",
            "https://sessions.example",
            "https://sessions.example:8443/",
            "https://sessions.example:8443.evil.example",
            "https://sub.sessions.example:8443",
        ] {
            assert_eq!(page(&[("origin", origin)]), Page::Foreign, "{origin}");
        }
        let twice = [("origin", "https://sessions.example:8443"), ("origin", "https://sessions.example:8443")];
        assert_eq!(page(&twice), Page::Foreign);
        assert_eq!(page(&[]), Page::Unknown);
    }

    #[test]
    fn the_cookie_needs_https_except_on_this_machine() {
        let login = || BegunLogin {
            secret: LoginSecret::generate(crate::domain::OrgId(uuid::Uuid::nil()), &crate::domain::Mint::seeded(1)),
            lasts: 60,
        };
        let cookie = |url: &str| login_cookie(&url.parse().unwrap(), &login());
        let safe = cookie("https://sessions.example").unwrap();
        assert!(
            safe.starts_with("__Host-sessionary=") && safe.ends_with("HttpOnly; SameSite=Strict; Secure"),
            "{safe}"
        );
        for url in ["http://127.0.0.1:3000", "http://localhost:3000", "http://[::1]:3000"] {
            let local = cookie(url).unwrap();
            assert!(local.starts_with("sessionary_console=") && !local.contains("Secure"), "{local}");
        }
        for url in ["http://sessions.example", "http://10.0.0.1", "http://localhost.example"] {
            assert_eq!(cookie(url), None, "{url}");
        }
    }
}
