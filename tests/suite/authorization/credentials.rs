//! The credentials, and what each surface does with them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sessionary::auth::{JwtKey, JwtSettings, JwtVerifier};
use sessionary::domain::{ApiKey, ApiName, DialectName, KeyId, KeyPrefix, Scope, Scopes};
use sessionary::store::admin::NewKey;

use super::table::{Row, Surface};
use crate::support::{TestApp, admin, start};

const ISSUER: &str = "https://clerk.example.com";
const AUDIENCE: &str = "sessionary";

/// The verifier of the tokens that [`every`] signs: ES256, one issuer, one audience.
pub fn verifier() -> JwtVerifier {
    let settings =
        JwtSettings { issuer: Some(ISSUER.to_owned()), audiences: vec![AUDIENCE.to_owned()], ..JwtSettings::default() };
    JwtVerifier::new(&JwtKey::Pem(PUBLIC.to_owned()), settings).expect("a key")
}

/// The credentials of a request.
pub struct Credential {
    pub name: String,
    pub headers: Vec<(&'static str, String)>,
    /// Appended to the path.
    pub query: String,
    pub is: Shown,
}

/// The kind of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    /// A header that may occur once occurs twice.
    Repeated,
    /// A key or token that is not valid: malformed, invented, expired, revoked or forged, or of a disabled
    /// organization.
    Invalid,
    Key(Scopes),
    KeyAsBearer(Scopes),
    /// A token of the token endpoint of the dialect `agent_key`.
    AccessToken(Scopes),
    Token(Scopes),
    /// A valid token of an organization that is unknown or disabled, or of none.
    TokenOfNoOrganization,
    /// A token in the query or in a cookie; `None` if it is forged.
    Headerless(Option<Scopes>),
    /// `x-org-id` alone.
    OrganizationAlone,
    /// `x-org-id` alone, with the id of no organization, or of a disabled one.
    NoOrganizationAlone,
    /// `x-org-id` alone, with a text that is not a UUID.
    MalformedOrganizationAlone,
    /// A valid credential with `x-org-id` of another organization.
    BesideOther,
    /// A valid credential with an empty `x-org-id`.
    BesideEmpty,
    /// A valid credential with an `x-org-id` that is not a UUID. Only Agnost requires one.
    BesideText,
    /// A valid credential of another organization.
    Foreign {
        token: bool,
    },
}

/// What happens to a request before its handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admitted,
    /// Accepted in another organization, where this one's objects do not exist.
    AdmittedElsewhere,
    Rejected(u16),
}

/// Returns what an operation does with a credential, by the rules of the table.
pub fn expected(row: &Row, api: ApiName, shown: Shown) -> Verdict {
    use Verdict::{Admitted, AdmittedElsewhere, Rejected};
    if row.surface == Surface::Open {
        return Admitted;
    }
    let has_scope = |scopes: Scopes| row.scope.is_none_or(|scope| scopes.has(scope));
    let by_scope = |scopes: Scopes| if has_scope(scopes) { Admitted } else { Rejected(403) };
    let as_key = |scopes: Scopes| match by_scope(scopes) {
        Admitted if row.surface == Surface::People => Rejected(401),
        verdict => verdict,
    };
    let nothing = if row.surface == Surface::Captures { Rejected(400) } else { Rejected(401) };
    match shown {
        Shown::Nothing => nothing,
        Shown::Repeated | Shown::BesideEmpty => Rejected(400),
        Shown::Invalid => Rejected(401),
        Shown::Key(scopes) => as_key(scopes),
        Shown::KeyAsBearer(scopes) | Shown::AccessToken(scopes) if row.surface == Surface::Vectara => as_key(scopes),
        Shown::KeyAsBearer(_) | Shown::AccessToken(_) => Rejected(401),
        Shown::Token(scopes) => by_scope(scopes),
        Shown::TokenOfNoOrganization | Shown::BesideOther => Rejected(403),
        Shown::Headerless(Some(scopes)) if row.surface == Surface::Streams => by_scope(scopes),
        Shown::Headerless(_) => nothing,
        Shown::OrganizationAlone if row.surface == Surface::Captures => Admitted,
        Shown::MalformedOrganizationAlone => nothing,
        Shown::OrganizationAlone | Shown::NoOrganizationAlone => Rejected(401),
        Shown::BesideText => Rejected(if api == ApiName::Dialect(DialectName::Agnost) { 400 } else { 403 }),
        Shown::Foreign { token: false } if row.surface == Surface::People => Rejected(401),
        Shown::Foreign { .. } => AdmittedElsewhere,
    }
}

/// Returns every credential. `other` is an organization with a valid key, `disabled` one whose credentials are
/// rejected.
pub async fn every(app: &TestApp, other: &TestApp, disabled: &TestApp) -> Vec<Credential> {
    admin().await.disable_organization(disabled.org, start()).await.expect("a disabled organization");
    let mut all = keys(app, other, disabled).await;
    all.extend(organizations(app, other, disabled));
    all.extend(tokens(app, other, disabled));
    all
}

fn credential(name: &str, headers: &[(&'static str, &str)], is: Shown) -> Credential {
    let headers = headers.iter().map(|(header, value)| (*header, (*value).to_owned())).collect();
    Credential { name: name.to_owned(), headers, query: String::new(), is }
}

const KEY: &str = "x-api-key";
const ORG: &str = "x-org-id";
const BEARER: &str = "authorization";

async fn keys(app: &TestApp, other: &TestApp, disabled: &TestApp) -> Vec<Credential> {
    let made_up = ApiKey::generate(&"pk_live".parse().expect("a prefix"), &app.mint).expose().to_owned();
    let (most, last) = app.key.split_at(app.key.len() - 1);
    let miscopied = format!("{most}{}", if last == "0" { "1" } else { "0" });
    let (expired, _) = app.key_until(start()).await;
    let far = start() + TimeDelta::days(1_000);
    let (revoked, revoked_id) = app.key_until(far).await;
    admin().await.revoke_key(revoked_id, start()).await.expect("a revoked key");
    let without = key_without_scopes(app).await;
    let (client, client_id) = app.key_until(far).await;
    let body = format!(r#"{{"client_id":"{client_id}","client_secret":"{client}"}}"#);
    let access = app.post("/oauth2/token", body).send().await.expect(200).member("access_token");
    let as_bearer = |token: &str| format!("Bearer {token}");
    let every = Scopes::EVERY;
    let mut all = vec![
        credential("nothing", &[], Shown::Nothing),
        credential("an empty key", &[(KEY, "")], Shown::Invalid),
        credential("a malformed key", &[(KEY, "not a key")], Shown::Invalid),
        credential("a key with a wrong checksum", &[(KEY, &miscopied)], Shown::Invalid),
        credential("a made-up key", &[(KEY, &made_up)], Shown::Invalid),
        credential("an expired key", &[(KEY, &expired)], Shown::Invalid),
        credential("a revoked key", &[(KEY, &revoked)], Shown::Invalid),
        credential("a key of a disabled organization", &[(KEY, &disabled.key)], Shown::Invalid),
        credential("two keys", &[(KEY, &app.key), (KEY, &app.key)], Shown::Repeated),
        credential("an access token as a key", &[(KEY, &access)], Shown::Invalid),
        credential("a key with no scope", &[(KEY, &without)], Shown::Key(Scopes::NONE)),
        credential("a key", &[(KEY, &app.key)], Shown::Key(every)),
        credential("a key beside a bad token", &[(KEY, &app.key), (BEARER, "Bearer a.b.c")], Shown::Key(every)),
        credential("another organization's key", &[(KEY, &other.key)], Shown::Foreign { token: false }),
        credential("a key as Bearer", &[(BEARER, &as_bearer(&app.key))], Shown::KeyAsBearer(every)),
        credential("an access token", &[(BEARER, &as_bearer(&access))], Shown::AccessToken(every)),
        credential("a made-up key as Bearer", &[(BEARER, &as_bearer(&made_up))], Shown::Invalid),
        credential("an expired key as Bearer", &[(BEARER, &as_bearer(&expired))], Shown::Invalid),
        credential("a revoked key as Bearer", &[(BEARER, &as_bearer(&revoked))], Shown::Invalid),
        credential("a key in the Basic scheme", &[(BEARER, &format!("Basic {}", app.key))], Shown::Invalid),
        credential("a bad key beside a good one", &[(KEY, &made_up), (BEARER, &as_bearer(&app.key))], Shown::Invalid),
    ];
    for scope in Scope::ALL {
        let key = app.key_with(scope.as_str()).await;
        all.push(credential(&format!("a key for {scope}"), &[(KEY, &key)], Shown::Key([scope].into_iter().collect())));
    }
    all
}

/// Returns a key without scopes, which no operation creates.
async fn key_without_scopes(app: &TestApp) -> String {
    let (prefix, id) = (KeyPrefix::default(), KeyId(app.mint.uuid()));
    let key = ApiKey::generate(&prefix, &app.mint);
    let scopes = Scopes::NONE;
    let new = NewKey {
        id,
        org: app.org,
        name: "none",
        prefix: &prefix,
        key: &key,
        scopes,
        created_at: start(),
        expires_at: None,
        allowed_addresses: None,
    };
    admin().await.create_key(&new).await.expect("a key");
    key.expose().to_owned()
}

fn organizations(app: &TestApp, other: &TestApp, disabled: &TestApp) -> Vec<Credential> {
    let (org, theirs, ended) = (app.org.to_string(), other.org.to_string(), disabled.org.to_string());
    let unknown = app.mint.uuid().to_string();
    let key = &app.key;
    vec![
        credential("x-org-id alone", &[(ORG, &org)], Shown::OrganizationAlone),
        credential("an unknown x-org-id", &[(ORG, &unknown)], Shown::NoOrganizationAlone),
        credential("a disabled x-org-id", &[(ORG, &ended)], Shown::NoOrganizationAlone),
        credential("a malformed x-org-id", &[(ORG, "not-a-uuid")], Shown::MalformedOrganizationAlone),
        credential("two x-org-id", &[(ORG, &org), (ORG, &org)], Shown::Repeated),
        credential("a key and its x-org-id", &[(KEY, key), (ORG, &org)], Shown::Key(Scopes::EVERY)),
        credential("a key and another x-org-id", &[(KEY, key), (ORG, &theirs)], Shown::BesideOther),
        credential("a key and an unknown x-org-id", &[(KEY, key), (ORG, &unknown)], Shown::BesideOther),
        credential("a key and an empty x-org-id", &[(KEY, key), (ORG, "")], Shown::BesideEmpty),
        credential("a key and a malformed x-org-id", &[(KEY, key), (ORG, "not-a-uuid")], Shown::BesideText),
    ]
}

fn tokens(app: &TestApp, other: &TestApp, disabled: &TestApp) -> Vec<Credential> {
    let now = start().timestamp();
    let with = |member: &str, value: Value| {
        let mut claims = claims(&app.external_id, Some("admin"));
        claims[member] = value;
        signed(&Header::new(Algorithm::ES256), &claims, &provider())
    };
    let good = claims(&app.external_id, Some("admin"));
    let es256 = Header::new(Algorithm::ES256);
    let admin = administrator(app);
    let bearer = |name: &str, token: &str, is| credential(name, &[(BEARER, &format!("Bearer {token}"))], is);

    let mut all = Vec::new();
    for role in [Some("admin"), Some("member"), Some("guest"), None] {
        let token = signed(&es256, &claims(&app.external_id, role), &provider());
        all.push(bearer(&format!("a token of the role {role:?}"), &token, Shown::Token(Scopes::of_role(role))));
    }
    let payload = admin.split('.').nth(1).expect("claims");
    let header = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let mut critical = Header::new(Algorithm::ES256);
    critical.crit = Some(vec!["exp".to_owned()]);
    let hs256 =
        |secret: &str| signed(&Header::new(Algorithm::HS256), &good, &EncodingKey::from_secret(secret.as_bytes()));
    for (name, token) in [
        ("no algorithm", format!("{}.{payload}.", header(r#"{"alg":"none"}"#))),
        (
            "no algorithm and a signature",
            format!("{}.{}", header(r#"{"alg":"none"}"#), &admin[admin.find('.').unwrap_or(0) + 1..]),
        ),
        ("another key", signed(&es256, &good, &EncodingKey::from_ec_pem(STRANGER.as_bytes()).expect("a key"))),
        ("a secret", hs256("a secret that the service was never given")),
        ("the public key as a secret", hs256(PUBLIC)),
        ("no signature", format!("{}.", &admin[..admin.rfind('.').unwrap_or(0)])),
        ("a broken signature", format!("{admin}x")),
        ("another issuer", with("iss", json!("https://other.example.com"))),
        ("no issuer", with("iss", Value::Null)),
        ("an end in the past", with("exp", json!(now - 60))),
        ("no end", with("exp", Value::Null)),
        ("a start in the future", with("nbf", json!(now + 60))),
        ("another audience", with("aud", json!("another-service"))),
        ("no audience", with("aud", Value::Null)),
        ("a critical extension", signed(&critical, &good, &provider())),
    ] {
        all.push(bearer(&format!("a token with {name}"), &token, Shown::Invalid));
    }
    for (name, token) in [
        ("of an unknown organization", signed(&es256, &claims("org_unknown", Some("admin")), &provider())),
        ("of a disabled organization", signed(&es256, &claims(&disabled.external_id, Some("admin")), &provider())),
        ("of no organization", with("o", Value::Null)),
    ] {
        all.push(bearer(&format!("a token {name}"), &token, Shown::TokenOfNoOrganization));
    }
    let theirs = signed(&es256, &claims(&other.external_id, Some("admin")), &provider());
    all.push(bearer("another organization's token", &theirs, Shown::Foreign { token: true }));
    let beside = [(BEARER, format!("Bearer {admin}")), (ORG, other.org.to_string())];
    let beside: Vec<_> = beside.iter().map(|(header, value)| (*header, value.as_str())).collect();
    all.push(credential("a token and another x-org-id", &beside, Shown::BesideOther));
    all.push(Credential {
        query: format!("token={admin}"),
        ..credential("a token in the query", &[], Shown::Headerless(Some(Scopes::EVERY)))
    });
    all.push(Credential {
        query: format!("token={admin}x"),
        ..credential("a forged token in the query", &[], Shown::Headerless(None))
    });
    all.push(Credential {
        query: format!("token={}", app.key),
        ..credential("a key in the query", &[], Shown::Headerless(None))
    });
    let cookie = format!("__session={admin}");
    all.push(credential("a token in a cookie", &[("cookie", &cookie)], Shown::Headerless(Some(Scopes::EVERY))));
    all
}

/// Returns a valid token of an administrator of the organization.
pub fn administrator(app: &TestApp) -> String {
    signed(&Header::new(Algorithm::ES256), &claims(&app.external_id, Some("admin")), &provider())
}

fn claims(external_id: &str, role: Option<&str>) -> Value {
    let now = start().timestamp();
    json!({"iss": ISSUER, "sub": "user_1", "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 3_600,
           "o": {"id": external_id, "rol": role}})
}

fn provider() -> EncodingKey {
    EncodingKey::from_ec_pem(PRIVATE.as_bytes()).expect("a key")
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    encode(header, claims, key).expect("a token")
}

/// Keys for these tests only: the provider's, and another party's.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoCniKwpyh6i0Vn8g
UHXRtdokqgIQW2omsgdvgZN+36yhRANCAATFMkPWic2G4B6D9Z9slp8Gx5PZXNU9
EHsuqWpXP3hojQMExlq9j/h1xijY9sT7c1rA2JqwTT/5TdgBxHoriRqj
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExTJD1onNhuAeg/WfbJafBseT2VzV
PRB7LqlqVz94aI0DBMZavY/4dcYo2PbE+3NawNiasE0/+U3YAcR6K4kaow==
-----END PUBLIC KEY-----
";
const STRANGER: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6iekz3vq1v7TSNS3
f/JS1dUBk1s1a/gtiXxfkSmgwIuhRANCAATiEFSfxVa25IZc1vx6pwg4eYeQL9b4
88kxGtCD594ONuRM+dffQ5KXPf59ugcLcTRqm2mOYy8ffOqoSi775Bkc
-----END PRIVATE KEY-----
";
