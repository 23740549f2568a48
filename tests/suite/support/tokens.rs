//! Tokens of an identity provider that the service trusts.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde_json::json;
use sessionary::auth::{JwtKey, JwtSettings, JwtVerifier};

use super::{TestApp, start};

const SECRET: &str = "a secret between the provider and the service";
const ISSUER: &str = "https://clerk.example.com";

/// Returns a verifier of [`token`]s.
pub fn verifier() -> JwtVerifier {
    let settings = JwtSettings { issuer: Some(ISSUER.to_owned()), ..JwtSettings::default() };
    JwtVerifier::new(&JwtKey::Secret(SecretString::from(SECRET)), settings).expect("a secret")
}

/// Returns an `Authorization` header with a [`token`].
pub fn bearer(app: &TestApp, role: &str) -> String {
    format!("Bearer {}", token(app, role))
}

/// Returns a token of a user with this role in the test's organization, valid for a minute.
pub fn token(app: &TestApp, role: &str) -> String {
    let claims = json!({
        "iss": ISSUER,
        "sub": "user_1",
        "exp": start().timestamp() + 60,
        "o": {"id": app.external_id, "rol": role},
    });
    let token =
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes()));
    token.expect("a token")
}
