//! Identity providers whose JSON Web Tokens are accepted.

use std::collections::HashSet;

use clap::Args;
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::setting::{Findings, Setting, word};
use super::{given, given_secret, listed};
use crate::auth::{JwtIssuer, JwtKey, JwtKeyError, JwtSettings, JwtVerifier, KeySetSource, is_protected};

/// The least bytes of a secret for HS256 (RFC 7518, section 3.2).
const HS256_SECRET_BYTES: usize = 32;
/// Where OpenID Connect Discovery puts its document, below the issuer's URL.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What a deployment decides about tokens.
#[derive(Args, Clone, Debug)]
pub struct JwtConfig {
    /// Secret that tokens are signed with (HS256), of at least 32 bytes
    #[arg(long, global = true, env = "SESSIONARY_JWT_HS256_SECRET", hide_env_values = true)]
    jwt_hs256_secret: Option<SecretString>,

    /// Public key that tokens are verified with: a PEM, or the path of one
    #[arg(long, global = true, env = "SESSIONARY_JWT_PUBLIC_KEY", allow_hyphen_values = true)]
    jwt_public_key: Option<String>,

    /// Where the issuer publishes its keys (JWKS); needs the issuer
    #[arg(long, global = true, env = "SESSIONARY_JWT_JWKS_URL")]
    jwt_jwks_url: Option<String>,

    /// The `iss` that tokens must have; alone, its keys are found by OpenID Connect Discovery
    #[arg(long, global = true, env = "SESSIONARY_JWT_ISSUER")]
    jwt_issuer: Option<String>,

    /// The `aud` that tokens must have; any of several between commas
    #[arg(long, global = true, env = "SESSIONARY_JWT_AUDIENCE", default_value = "")]
    jwt_audience: String,

    /// The `azp` that tokens must have; any of several between commas
    #[arg(long, global = true, env = "SESSIONARY_JWT_AUTHORIZED_PARTIES", default_value = "")]
    jwt_authorized_parties: String,

    /// The claim that names the organization, where the issuer is not Clerk
    #[arg(long, global = true, env = "SESSIONARY_JWT_ORG_CLAIM")]
    jwt_org_claim: Option<String>,

    /// The claim that names the user's roles, where the issuer is not Clerk
    #[arg(long, global = true, env = "SESSIONARY_JWT_ROLE_CLAIM")]
    jwt_role_claim: Option<String>,

    /// Whether an organization is created when a token first names it: on or off
    #[arg(long, global = true, env = "SESSIONARY_JWT_PROVISION", default_value = "off")]
    jwt_provision: String,

    /// Several issuers, as JSON or the path of a JSON file, instead of the other settings of tokens
    #[arg(long, global = true, env = "SESSIONARY_JWT_ISSUERS", hide_env_values = true)]
    jwt_issuers: Option<SecretString>,
}

static SECRET: Setting = Setting::secret(
    "SESSIONARY_JWT_HS256_SECRET",
    "a secret of at least 32 bytes; not together with another key",
    "$(openssl rand -hex 32)",
);
static PUBLIC_KEY: Setting = Setting::secret(
    "SESSIONARY_JWT_PUBLIC_KEY",
    "the PEM of an RSA, P-256 or Ed25519 public key, or the path of one; not together with another key",
    "/etc/sessionary/issuer.pem",
);
static JWKS_URL: Setting = Setting::public(
    "SESSIONARY_JWT_JWKS_URL",
    "an https URL, or an http URL of this machine, together with SESSIONARY_JWT_ISSUER and without another key",
    "https://issuer.example.com/.well-known/jwks.json",
);
static PROVISION: Setting = Setting::public("SESSIONARY_JWT_PROVISION", "on or off", "off");
static ISSUERS: Setting = Setting::secret(
    "SESSIONARY_JWT_ISSUERS",
    "a JSON array of objects with issuer, and jwks_url, public_key or hs256_secret, algorithms, audiences, \
     authorized_parties, org_claim, role_claim, provision; or the path of a file with one; without the other settings of \
     tokens",
    "/etc/sessionary/issuers.json",
);

const SWITCH: [(&str, bool); 2] = [("off", false), ("on", true)];

/// One issuer of `SESSIONARY_JWT_ISSUERS`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    issuer: String,
    jwks_url: Option<String>,
    public_key: Option<String>,
    hs256_secret: Option<SecretString>,
    #[serde(default)]
    algorithms: Vec<Algorithm>,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    authorized_parties: Vec<String>,
    org_claim: Option<String>,
    role_claim: Option<String>,
    #[serde(default)]
    provision: bool,
}

/// A key that cannot be used: the setting at fault, its value, and why.
struct BadKey {
    setting: &'static Setting,
    value: String,
    problem: String,
}

impl BadKey {
    fn new(setting: &'static Setting, value: &str, problem: impl ToString) -> Self {
        Self { setting, value: value.to_owned(), problem: problem.to_string() }
    }
}

/// The key of an issuer, as it was given.
struct GivenKey<'k> {
    secret: Option<&'k str>,
    public_key: Option<&'k str>,
    jwks_url: Option<&'k str>,
    issuer: Option<&'k str>,
}

impl GivenKey<'_> {
    /// Returns the key, or `None` where none is given and the issuer is no URL at which keys could be found.
    fn read(&self) -> Result<Option<JwtKey>, BadKey> {
        match (self.secret, self.public_key, self.jwks_url) {
            (None, None, None) => Ok(self.issuer.and_then(discovery).map(JwtKey::Published)),
            (Some(secret), None, None) => read_secret(secret).map(Some),
            (None, Some(pem), None) => read_pem(pem).map(Some),
            (None, None, Some(url)) => {
                if self.issuer.is_none() {
                    return Err(BadKey::new(&JWKS_URL, url, "SESSIONARY_JWT_ISSUER is not set"));
                }
                let read = Url::parse(url).map_err(|error| BadKey::new(&JWKS_URL, url, error))?;
                if !is_protected(&read) {
                    return Err(BadKey::new(&JWKS_URL, url, "it is not protected by TLS"));
                }
                Ok(Some(JwtKey::Published(KeySetSource::Url(read))))
            }
            (Some(_), Some(pem), _) => Err(BadKey::new(&PUBLIC_KEY, pem, "SESSIONARY_JWT_HS256_SECRET is set, too")),
            (_, _, Some(url)) => Err(BadKey::new(&JWKS_URL, url, "another key is set, too")),
        }
    }
}

/// Returns where an issuer's discovery document is, if its name is a URL that is protected.
fn discovery(issuer: &str) -> Option<KeySetSource> {
    let is_url = Url::parse(issuer).is_ok_and(|url| is_protected(&url));
    let url = is_url.then(|| Url::parse(&format!("{}{DISCOVERY}", issuer.trim_end_matches('/'))).ok()).flatten();
    url.map(KeySetSource::Discovery)
}

fn read_secret(secret: &str) -> Result<JwtKey, BadKey> {
    if secret.len() < HS256_SECRET_BYTES {
        let problem = format!("it has {} bytes, and HS256 needs {HS256_SECRET_BYTES}", secret.len());
        return Err(BadKey::new(&SECRET, secret, problem));
    }
    Ok(JwtKey::Secret(secret.into()))
}

fn read_pem(pem: &str) -> Result<JwtKey, BadKey> {
    if pem.starts_with("-----BEGIN") {
        return Ok(JwtKey::Pem(pem.to_owned()));
    }
    let read = std::fs::read_to_string(pem);
    read.map(JwtKey::Pem).map_err(|error| BadKey::new(&PUBLIC_KEY, pem, format!("cannot be read: {error}")))
}

impl JwtConfig {
    /// Returns the issuer, where one is named and not several.
    pub(super) fn issuer(&self) -> Option<&str> {
        given(self.jwt_issuer.as_deref()).filter(|_| given_secret(self.jwt_issuers.as_ref()).is_none())
    }

    /// Returns what verifies tokens; `None` where no key is given, so that tokens are rejected.
    pub(super) fn check(&self, found: &mut Findings) -> Option<JwtVerifier> {
        let provisions = found.take(word(&PROVISION, &self.jwt_provision, &SWITCH)).unwrap_or_default();
        if let Some(text) = given_secret(self.jwt_issuers.as_ref()) {
            return self.several(text, found);
        }
        let secret = given_secret(self.jwt_hs256_secret.as_ref());
        let issuer = given(self.jwt_issuer.as_deref());
        let settings = JwtSettings {
            issuer: issuer.map(str::to_owned),
            algorithms: Vec::new(),
            audiences: listed(&self.jwt_audience).map(str::to_owned).collect(),
            authorized_parties: listed(&self.jwt_authorized_parties).map(str::to_owned).collect(),
            org_claim: given(self.jwt_org_claim.as_deref()).map(str::to_owned),
            role_claim: given(self.jwt_role_claim.as_deref()).map(str::to_owned),
            provisions,
        };
        let key = GivenKey {
            secret,
            public_key: given(self.jwt_public_key.as_deref()),
            jwks_url: given(self.jwt_jwks_url.as_deref()),
            issuer,
        };
        match key.read() {
            Ok(Some(key)) => {
                if secret.is_some_and(|secret| secret.trim() != secret) {
                    found.warn(format!("{} begins or ends with white space, which counts", SECRET.name));
                }
                if matches!(key, JwtKey::Published(_))
                    && settings.audiences.is_empty()
                    && settings.authorized_parties.is_empty()
                {
                    found.warn(
                        "tokens that the issuer made for other applications are accepted, because neither \
                         SESSIONARY_JWT_AUDIENCE nor SESSIONARY_JWT_AUTHORIZED_PARTIES is set"
                            .to_owned(),
                    );
                }
                let made = JwtVerifier::new(&key, settings);
                found.take(made.map_err(|error: JwtKeyError| PUBLIC_KEY.rejects("", error)))
            }
            Ok(None) => {
                let needless = [
                    ("SESSIONARY_JWT_AUDIENCE", !settings.audiences.is_empty()),
                    ("SESSIONARY_JWT_AUTHORIZED_PARTIES", !settings.authorized_parties.is_empty()),
                    ("SESSIONARY_JWT_ORG_CLAIM", settings.org_claim.is_some()),
                    ("SESSIONARY_JWT_ROLE_CLAIM", settings.role_claim.is_some()),
                    ("SESSIONARY_JWT_PROVISION", provisions),
                ];
                for (name, _) in needless.into_iter().filter(|(_, is_set)| *is_set) {
                    found.warn(format!("{name} has no effect, because no key to verify tokens with is set"));
                }
                None
            }
            Err(BadKey { setting, value, problem }) => {
                found.errors.push(setting.rejects(&value, problem));
                None
            }
        }
    }

    /// Reads `SESSIONARY_JWT_ISSUERS`.
    fn several(&self, text: &str, found: &mut Findings) -> Option<JwtVerifier> {
        let others = [
            ("SESSIONARY_JWT_HS256_SECRET", given_secret(self.jwt_hs256_secret.as_ref()).is_some()),
            ("SESSIONARY_JWT_PUBLIC_KEY", given(self.jwt_public_key.as_deref()).is_some()),
            ("SESSIONARY_JWT_JWKS_URL", given(self.jwt_jwks_url.as_deref()).is_some()),
            ("SESSIONARY_JWT_ISSUER", given(self.jwt_issuer.as_deref()).is_some()),
            ("SESSIONARY_JWT_AUDIENCE", !self.jwt_audience.trim().is_empty()),
            ("SESSIONARY_JWT_AUTHORIZED_PARTIES", !self.jwt_authorized_parties.trim().is_empty()),
            ("SESSIONARY_JWT_ORG_CLAIM", given(self.jwt_org_claim.as_deref()).is_some()),
            ("SESSIONARY_JWT_ROLE_CLAIM", given(self.jwt_role_claim.as_deref()).is_some()),
        ];
        let mut reject = |problem: String| {
            found.errors.push(ISSUERS.rejects(text, problem));
            None
        };
        if let Some((name, _)) = others.into_iter().find(|(_, is_set)| *is_set) {
            return reject(format!("{name} is set, too"));
        }
        let read =
            if text.trim_start().starts_with('[') { Ok(text.to_owned()) } else { std::fs::read_to_string(text.trim()) };
        let document = match read {
            Ok(document) => document,
            Err(error) => return reject(format!("it is no JSON array, and no file that can be read: {error}")),
        };
        let issuers: Vec<Issuer> = match serde_json::from_str(&document) {
            Ok(issuers) => issuers,
            // The error's own text may quote a secret.
            Err(error) => return reject(format!("line {}, column {} is not as allowed", error.line(), error.column())),
        };
        if issuers.is_empty() {
            return reject("it lists no issuer".to_owned());
        }
        let mut names = HashSet::new();
        let mut read = Vec::with_capacity(issuers.len());
        for issuer in issuers {
            let name = issuer.issuer.clone();
            if name.trim().is_empty() || !names.insert(name.clone()) {
                return reject(format!("the issuer {name:?} is empty or listed twice"));
            }
            match issuer.read() {
                Ok(issuer) => read.push(issuer),
                Err(problem) => return reject(format!("issuer {name}: {problem}")),
            }
        }
        Some(JwtVerifier::of(read))
    }
}

impl Issuer {
    fn read(self) -> Result<JwtIssuer, String> {
        let key = GivenKey {
            secret: given_secret(self.hs256_secret.as_ref()),
            public_key: given(self.public_key.as_deref()),
            jwks_url: given(self.jwks_url.as_deref()),
            issuer: Some(&self.issuer),
        };
        let key = key.read().map_err(|bad| bad.problem)?;
        let key = key.ok_or("it names no key, and is no https URL at which keys could be found")?;
        let settings = JwtSettings {
            issuer: Some(self.issuer),
            algorithms: self.algorithms,
            audiences: self.audiences,
            authorized_parties: self.authorized_parties,
            org_claim: self.org_claim,
            role_claim: self.role_claim,
            provisions: self.provision,
        };
        JwtIssuer::new(&key, settings).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        jwt: JwtConfig,
    }

    /// Returns the issuers' names, or what is wrong.
    fn check(flags: &[&str]) -> Result<Vec<Option<String>>, String> {
        let mut found = Findings::default();
        let verifier = Only::parse_from([&["sessionary"], flags].concat()).jwt.check(&mut found);
        match found.errors.first() {
            Some(error) => Err(error.to_string()),
            None => Ok(verifier.iter().flat_map(JwtVerifier::issuers).map(|issuer| issuer.issuer.clone()).collect()),
        }
    }

    fn issuers(json: &str) -> Result<Vec<Option<String>>, String> {
        check(&["--jwt-issuers", json])
    }

    #[test]
    fn an_issuer_that_is_a_url_is_enough() {
        let some = |name: &str| Ok(vec![Some(name.to_owned())]);
        assert_eq!(check(&["--jwt-issuer", "https://a.example/"]), some("https://a.example/"));
        assert_eq!(check(&["--jwt-issuer", "http://localhost:8080/realms/a"]), some("http://localhost:8080/realms/a"));
        let jwks = ["--jwt-issuer", "accounts.a.example", "--jwt-jwks-url", "https://a.example/keys"];
        assert_eq!(check(&jwks), some("accounts.a.example"));
        // A name alone has no keys: as before, it only names the issuer of external ids.
        assert_eq!(check(&["--jwt-issuer", "a.example"]), Ok(vec![]));
        assert_eq!(check(&["--jwt-issuer", "http://a.example"]), Ok(vec![]));
    }

    #[test]
    fn keys_that_could_be_changed_on_the_way_are_rejected() {
        for url in ["http://a.example/keys", "ftp://a.example/keys", "keys", "http://127.0.0.2.example/keys"] {
            let error = check(&["--jwt-issuer", "https://a.example", "--jwt-jwks-url", url]).unwrap_err();
            assert!(error.contains("SESSIONARY_JWT_JWKS_URL"), "{url}: {error}");
        }
        assert!(check(&["--jwt-jwks-url", "https://a.example/keys"]).unwrap_err().contains("SESSIONARY_JWT_ISSUER"));
        let secret = "s".repeat(32);
        let both = ["--jwt-issuer", "https://a.example", "--jwt-jwks-url", "https://a.example/k", "--jwt-hs256-secret"];
        assert!(check(&[&both[..], &[&secret]].concat()).unwrap_err().contains("another key"));
    }

    #[test]
    fn several_issuers_are_read() {
        let json = r#"[{"issuer": "https://a.example", "audiences": ["x"], "algorithms": ["RS256"], "provision": true},
                       {"issuer": "b", "jwks_url": "https://b.example/keys", "org_claim": "hd"},
                       {"issuer": "c", "hs256_secret": "0123456789abcdef0123456789abcdef"}]"#;
        let names = ["https://a.example", "b", "c"].map(|name| Some(name.to_owned()));
        assert_eq!(issuers(json), Ok(names.to_vec()));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        assert_eq!(issuers(file.path().to_str().unwrap()), Ok(names.to_vec()));
    }

    #[test]
    fn what_is_wrong_with_an_issuer_is_reported_without_its_secret() {
        for (json, problem) in [
            ("[]", "no issuer"),
            ("[{}]", "line 1, column 3"),
            (r#"[{"issuer": "https://a.example", "secret": "hush-hush"}]"#, "line 1"),
            (r#"[{"issuer": "https://a.example", "algorithms": ["none"]}]"#, "line 1"),
            (r#"[{"issuer": "https://a.example"}, {"issuer": "https://a.example"}]"#, "listed twice"),
            (r#"[{"issuer": " "}]"#, "empty"),
            (r#"[{"issuer": "a"}]"#, "no key"),
            (r#"[{"issuer": "a", "hs256_secret": "hush-hush"}]"#, "HS256 needs 32"),
            (r#"[{"issuer": "a", "jwks_url": "http://a.example"}]"#, "TLS"),
            ("/no/such/file.json", "no file that can be read"),
        ] {
            let error = issuers(json).unwrap_err();
            assert!(error.contains(problem) && !error.contains("hush-hush"), "{json}: {error}");
        }
        let error = check(&["--jwt-issuers", "[]", "--jwt-audience", "a"]).unwrap_err();
        assert!(error.contains("SESSIONARY_JWT_AUDIENCE is set, too"), "{error}");
    }
}
