//! The recipes of docs/credentials.md: the program, with the settings that the document has for a provider, accepts a token
//! of the shape that the provider documents.
//!
//! Only the issuer's host is another one: this machine, where the suite's provider publishes its keys.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::provider::{Provider, SigningKey};
use crate::http::tokens::KEYS;
use crate::support::process::{Service, json_of, sessionary};
use crate::support::{database_url, make_database, run};

/// A provider whose tokens are accepted.
struct Recipe {
    /// The first word of its row in the document.
    name: &'static str,
    /// Values that the document leaves to the reader: of settings that it names without one.
    chosen: &'static [(&'static str, &'static str)],
    /// The claim with the client or the audience that the settings require.
    restricted_by: &'static str,
    /// The members that name the organization `acme` in [`Recipe::claims`], as a JSON Pointer.
    organization: &'static str,
    claims: fn(issuer: &str) -> Value,
}

const RECIPES: [Recipe; 6] = [
    Recipe { name: "Clerk", chosen: &[], restricted_by: "azp", organization: "/o/id", claims: clerk_2 },
    Recipe { name: "Clerk", chosen: &[], restricted_by: "azp", organization: "/org_id", claims: clerk_1 },
    Recipe {
        name: "Auth0",
        chosen: &[
            ("SESSIONARY_JWT_AUDIENCE", "https://sessions.example.com"),
            ("SESSIONARY_JWT_ROLE_CLAIM", "https://example.com/role"),
        ],
        restricted_by: "aud",
        organization: "/org_id",
        claims: auth0,
    },
    Recipe {
        name: "Keycloak",
        chosen: &[("SESSIONARY_JWT_AUTHORIZED_PARTIES", "app")],
        restricted_by: "azp",
        organization: "/organization/0",
        claims: keycloak,
    },
    Recipe {
        name: "Amazon",
        chosen: &[("SESSIONARY_JWT_AUTHORIZED_PARTIES", "57cbishk4j24pabc1234567890")],
        restricted_by: "client_id",
        organization: "/custom:org",
        claims: cognito,
    },
    Recipe {
        name: "Google",
        chosen: &[("SESSIONARY_JWT_AUDIENCE", "407408718192.apps.googleusercontent.com")],
        restricted_by: "aud",
        organization: "/hd",
        claims: google,
    },
];

/// An end that no test lives to see: the program's clock is the real one.
const ENDS: i64 = 4_102_444_800;
const BEGAN: i64 = 1_777_453_200;

fn clerk_2(issuer: &str) -> Value {
    json!({
        "azp": "https://app.example.com", "exp": ENDS, "fea": "o:dashboard,o:impersonation", "fva": [3, -1],
        "iat": BEGAN, "iss": issuer, "jti": "a1b2c3d4e5f67890abcd", "nbf": BEGAN,
        "o": {"fpm": "3,1", "id": "acme", "per": "read,manage", "rol": "admin", "slg": "acme-inc"},
        "pla": "o:pro", "sid": "sess_2GaMqUCB3Sc1WNAkWuNzsnYVVEy", "sts": "active",
        "sub": "user_2DEiIkhxbZ3HBR7bPyeCWAQ6jQO", "v": 2,
    })
}

fn clerk_1(issuer: &str) -> Value {
    json!({
        "azp": "https://app.example.com", "exp": ENDS, "iat": BEGAN, "iss": issuer, "nbf": BEGAN, "org_id": "acme",
        "org_permissions": ["org:dashboard:read"], "org_role": "org:admin", "org_slug": "acme-inc",
        "sid": "sess_2GaMqUCB3Sc1WNAkWuNzsnYVVEy", "sub": "user_2DEiIkhxbZ3HBR7bPyeCWAQ6jQO",
    })
}

fn auth0(issuer: &str) -> Value {
    json!({
        "https://example.com/role": "admin", "iss": issuer, "sub": "auth0|64b7f1a2c3d4e5f607182930",
        "aud": ["https://sessions.example.com", format!("{issuer}userinfo")], "iat": BEGAN, "exp": ENDS,
        "scope": "openid profile email", "org_id": "acme", "org_name": "acme-inc",
        "azp": "AIbbuk9gTv4J0uSEgE0mkAXXXXXXXXXX", "permissions": ["read:sessions"],
    })
}

fn keycloak(issuer: &str) -> Value {
    json!({
        "exp": ENDS, "iat": BEGAN, "auth_time": BEGAN, "jti": "onrtac:f1d3c7f0-1f6c-4c5b-8c0e-2f6d8a3b9e47",
        "iss": issuer, "aud": "account", "sub": "9d3f7b2a-60f4-4d8e-8b51-2c7a9e0d1f63", "typ": "Bearer", "azp": "app",
        "sid": "0b9f6f7e-3d2c-4a1b-9e8d-7c6b5a493827", "acr": "1", "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["default-roles-acme", "offline_access", "admin", "uma_authorization"]},
        "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
        "scope": "openid organization email profile", "email_verified": true, "organization": ["acme"],
        "preferred_username": "ann", "email": "ann@example.com",
    })
}

fn cognito(issuer: &str) -> Value {
    json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "device_key": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["admin"], "iss": issuer, "version": 2, "client_id": "57cbishk4j24pabc1234567890",
        "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
        "token_use": "access", "scope": "aws.cognito.signin.user.admin", "auth_time": BEGAN, "exp": ENDS, "iat": BEGAN,
        "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "username": "ann", "custom:org": "acme",
    })
}

fn google(issuer: &str) -> Value {
    json!({
        "iss": issuer, "azp": "407408718192.apps.googleusercontent.com",
        "aud": "407408718192.apps.googleusercontent.com", "sub": "10769150350006150715113082367", "hd": "acme",
        "email": "ann@acme", "email_verified": true, "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "nonce": "0394852-3190485-2490358",
        "iat": BEGAN, "exp": ENDS,
    })
}

/// Returns the settings in a provider's row of the document. One whose value is left to the reader is empty.
fn documented(name: &str) -> BTreeMap<String, String> {
    let document = include_str!("../../../../docs/credentials.md");
    let (_, section) = document.split_once("### Recipes\n").expect("a section");
    let (section, _) = section.split_once("\n### ").expect("a section after it");
    let mut rows = section.lines().filter(|line| line.starts_with(&format!("| [{name}")));
    let row = rows.next().unwrap_or_else(|| panic!("no recipe for {name}"));
    let codes = row.split('`').skip(1).step_by(2).filter(|code| code.starts_with("SESSIONARY_"));
    let settings = codes.map(|code| code.split_once('=').unwrap_or((code, "")));
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns the path of an issuer, such as `/` of `https://host/`.
fn path_of(issuer: &str) -> &str {
    let (_, rest) = issuer.split_once("://").expect("a URL");
    rest.find('/').map_or("", |slash| &rest[slash..])
}

#[test]
fn every_recipe_of_the_document_is_tested() {
    let document = include_str!("../../../../docs/credentials.md");
    let (_, section) = document.split_once("### Recipes\n").expect("a section");
    let rows = section.split("\n### ").next().expect("a section").lines().filter(|line| line.starts_with("| ["));
    for row in rows {
        assert!(RECIPES.iter().any(|recipe| row.starts_with(&format!("| [{}", recipe.name))), "{row}");
    }
}

#[test]
fn a_token_of_each_providers_shape_reaches_its_organization_with_the_documented_settings() {
    run(make_database("recipes"));
    let url = run(database_url("recipes"));
    let folder = tempfile::tempdir().expect("a folder");
    json_of(sessionary(folder.path()).arg("migrate").env("DATABASE_URL", &url));
    let rsa = KEYS.iter().find(|(algorithm, ..)| *algorithm == Algorithm::RS256).expect("a key");
    let key = EncodingKey::from_rsa_pem(rsa.1.as_bytes()).expect("a key");
    let key = SigningKey { id: "ins_2GaMqUCB3Sc1WNAkWuNzsnYVVEy", algorithm: Algorithm::RS256, key };
    for recipe in RECIPES {
        let mut settings = documented(recipe.name);
        let issuer = settings.get("SESSIONARY_JWT_ISSUER").expect("an issuer").clone();
        let provider = run(Provider::below(path_of(&issuer), &[&key]));
        assert_eq!(path_of(&provider.issuer), path_of(&issuer));
        settings.insert("SESSIONARY_JWT_ISSUER".to_owned(), provider.issuer.clone());
        for (name, value) in recipe.chosen {
            let left = settings.insert((*name).to_owned(), (*value).to_owned());
            assert_eq!(left.as_deref(), Some(""), "{}: the document has no {name} without a value", recipe.name);
        }
        assert!(settings.values().all(|value| !value.is_empty()), "{}: {settings:?}", recipe.name);

        let mut command = sessionary(folder.path());
        let arguments = ["org", "create", "--name", recipe.name, "--external-id", "acme", "--responder", "echo"];
        let made = json_of(command.args(arguments).env("DATABASE_URL", &url).envs(&settings));
        let given: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let service = Service::start_on(&folder.path().join(recipe.organization.replace('/', "_")), &url, &given);
        let me = |claims: &Value| {
            let headers = [format!("authorization: Bearer {}", key.sign(claims))];
            let (status, body) = service.ask("GET", "/sessionary/v1/me", &headers, "");
            (status, serde_json::from_str::<Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
        };

        let claims = (recipe.claims)(&provider.issuer);
        let (status, shown) = me(&claims);
        assert_eq!((status, &shown["organization"]["id"]), (200, &made["org_id"]), "{}: {shown}", recipe.name);
        assert_eq!((&shown["credential"]["id"], &shown["credential"]["kind"]), (&claims["sub"], &json!("token")));
        let scopes: Vec<&str> = shown["scopes"].as_array().expect("scopes").iter().filter_map(Value::as_str).collect();
        let administers = scopes.contains(&"manage") && scopes.contains(&"sessions:write");
        assert_eq!(administers, recipe.name != "Google", "{}: {scopes:?}", recipe.name);
        assert!(scopes.contains(&"sessions:read"), "{}: {scopes:?}", recipe.name);

        // The same token for another application, of another organization, of another issuer, and expired.
        let with = |pointer: &str, value: Value| {
            let mut claims = claims.clone();
            *claims.pointer_mut(pointer).unwrap_or_else(|| panic!("{}: no {pointer}", recipe.name)) = value;
            claims
        };
        assert_eq!(me(&with(&format!("/{}", recipe.restricted_by), json!("another"))).0, 401, "{}", recipe.name);
        assert_eq!(me(&with(recipe.organization, json!("another"))).0, 403, "{}", recipe.name);
        assert_eq!(me(&with("/iss", json!("https://another.example"))).0, 401, "{}", recipe.name);
        assert_eq!(me(&with("/exp", json!(BEGAN))).0, 401, "{}", recipe.name);
    }
}
