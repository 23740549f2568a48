//! Bearer tokens, through every check of docs/credentials.md.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sessionary::auth::{JwtKey, JwtSettings, JwtVerifier};

use crate::support::{AGENT_ID, Setup, TestApp, run, start};

const PATH: &str = "/v1/chat/chat/sessions";
const SECRET: &str = "a secret of thirty-two characters or more";
const ISSUER: &str = "https://clerk.example.com";

fn settings() -> JwtSettings {
    JwtSettings { issuer: Some(ISSUER.to_owned()), ..JwtSettings::default() }
}

async fn app_with(settings: JwtSettings) -> TestApp {
    let jwt = JwtVerifier::new(&JwtKey::Secret(SECRET.into()), settings).expect("a key");
    TestApp::with(Setup { jwt: Some(jwt), ..Setup::default() }).await
}

/// The claims of a Clerk session token, version 2, valid for a minute.
fn claims(app: &TestApp) -> Value {
    let now = start().timestamp();
    json!({"iss": ISSUER, "sub": "user_1", "iat": now, "nbf": now, "exp": now + 60, "v": 2,
           "o": {"id": app.external_id, "rol": "admin", "slg": "acme"}})
}

fn with(mut claims: Value, changes: Value) -> Value {
    let (Value::Object(all), Value::Object(changes)) = (&mut claims, changes) else { panic!("claims are an object") };
    for (name, value) in changes {
        if value.is_null() {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
    claims
}

fn signed(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

async fn create(app: &TestApp, token: &str) -> u16 {
    let body = format!(r#"{{"agentId":"{AGENT_ID}"}}"#);
    let ask = app.post(PATH, body).anonymous().header("authorization", format!("Bearer {token}"));
    ask.send().await.status.as_u16()
}

#[test]
fn a_token_that_holds_acts_for_its_organization() {
    run(async {
        let app = app_with(settings()).await;
        let org = app.org.to_string();
        for (what, changes) in [
            ("Clerk's version 2", json!({})),
            ("Clerk's version 1", json!({"v": null, "o": null, "org_id": app.external_id, "org_role": "org:admin"})),
            ("our own UUID", json!({"o": {"id": org, "rol": "member"}})),
            ("no subject", json!({"sub": null})),
            ("expired within the leeway", json!({"exp": start().timestamp() - 3})),
            ("an audience that nobody asked for", json!({"aud": "someone"})),
            ("a session that is active", json!({"sts": "active"})),
            ("an expiry in fractions of a second", json!({"exp": start().timestamp() as f64 + 60.5})),
        ] {
            assert_eq!(create(&app, &signed(&with(claims(&app), changes))).await, 201, "{what}");
        }
    });
}

#[test]
fn a_token_that_does_not_hold_is_401() {
    run(async {
        let app = app_with(settings()).await;
        let now = start().timestamp();
        for (what, changes) in [
            ("expired", json!({"exp": now - 10})),
            ("no expiry", json!({"exp": null})),
            ("an expiry that is a text", json!({"exp": (now + 60).to_string()})),
            ("not yet valid", json!({"nbf": now + 10})),
            ("a start that is a text", json!({"nbf": (now - 10).to_string()})),
            ("a session whose user has tasks left", json!({"sts": "pending"})),
            ("another issuer", json!({"iss": "https://other.example.com"})),
            ("no issuer", json!({"iss": null})),
            ("an issuer that is a number", json!({"iss": 7})),
        ] {
            assert_eq!(create(&app, &signed(&with(claims(&app), changes))).await, 401, "{what}");
        }
        let good = signed(&claims(&app));
        assert_eq!(create(&app, &format!("{good}x")).await, 401, "a broken signature");
        let key = EncodingKey::from_secret(b"another secret of thirty-two characters");
        let forged = encode(&Header::new(Algorithm::HS256), &claims(&app), &key).expect("a token");
        assert_eq!(create(&app, &forged).await, 401, "another secret");
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let other = encode(&Header::new(Algorithm::HS512), &claims(&app), &key).expect("a token");
        assert_eq!(create(&app, &other).await, 401, "an algorithm that the token chose");
        for crit in [json!(["b64"]), json!(["exp"]), json!([])] {
            let crit: Vec<String> = serde_json::from_value(crit).expect("names");
            let header = Header { crit: Some(crit.clone()), ..Header::new(Algorithm::HS256) };
            let token = encode(&header, &claims(&app), &key).expect("a token");
            assert_eq!(create(&app, &token).await, 401, "extensions that must be understood: {crit:?}");
        }
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).expect("claims"));
        assert_eq!(create(&app, &unsigned).await, 401, "no algorithm");
    });
}

/// Identity providers let customers add claims, and ASP.NET writes one role as a text and two as an array. A claim
/// whose name another provider uses differently must not lock its users out.
#[test]
fn a_claim_that_is_not_needed_may_have_any_type() {
    run(async {
        let app = app_with(settings()).await;
        for claim in
            ["aud", "azp", "org_id", "org_role", "role", "sub", "sts", "act", "sid", "iat", "v", "fea", "custom"]
        {
            for value in
                [json!(["admin", "user"]), json!({"name": "admin"}), json!(17), json!(true), json!(""), json!(1.5)]
            {
                let token = signed(&with(claims(&app), json!({claim: value})));
                assert_eq!(create(&app, &token).await, 201, "{claim}: {value}");
            }
        }
        // `with` removes nulls, so this one is written by hand.
        for claim in ["aud", "azp", "nbf", "org_id", "role", "sts", "sub"] {
            let mut claims = claims(&app);
            claims[claim] = Value::Null;
            assert_eq!(create(&app, &signed(&claims)).await, 201, "{claim}: null");
        }
    });
}

#[test]
fn a_claim_that_is_needed_and_cannot_be_read_gives_nothing() {
    run(async {
        let app = app_with(settings()).await;
        let version_1 = json!({"v": null, "o": null, "org_id": app.external_id, "org_role": "org:admin"});
        for (what, changes, status) in [
            ("an organization that is a text", json!({"o": app.external_id}), 403),
            ("an organization without an id", json!({"o": {"rol": "admin"}, "org_id": app.external_id}), 403),
            ("an organization whose id is a number", json!({"o": {"id": 17, "rol": "admin"}}), 403),
            ("a role that is an array", json!({"o": {"id": app.external_id, "rol": ["admin"]}, "role": "admin"}), 403),
        ] {
            assert_eq!(create(&app, &signed(&with(claims(&app), changes))).await, status, "{what}");
        }
        for (what, changes, status) in [
            ("version 1", json!({}), 201),
            ("an id that is a number", json!({"org_id": 17}), 403),
            ("a role that is an array", json!({"org_role": ["org:admin"], "role": "admin"}), 403),
            ("a role under the other name", json!({"org_role": null, "role": "admin"}), 201),
        ] {
            let claims = with(with(claims(&app), version_1.clone()), changes);
            assert_eq!(create(&app, &signed(&claims)).await, status, "{what}");
        }
    });
}

#[test]
fn time_is_the_services_own() {
    run(async {
        let app = app_with(settings()).await;
        let token = signed(&claims(&app));
        assert_eq!(create(&app, &token).await, 201);
        app.clock.advance(chrono::Duration::seconds(66));
        assert_eq!(create(&app, &token).await, 401);
    });
}

#[test]
fn an_organization_that_is_unknown_or_missing_is_403() {
    run(async {
        let app = app_with(settings()).await;
        for (what, changes) in [
            ("unknown", json!({"o": {"id": "org_nobody", "rol": "admin"}})),
            ("a UUID of nobody", json!({"o": {"id": "0f0e0d0c-0b0a-4909-8807-060504030201", "rol": "admin"}})),
            ("a name that cannot be stored", json!({"o": {"id": "org_\u{0}", "rol": "admin"}})),
            ("none", json!({"o": null})),
        ] {
            assert_eq!(create(&app, &signed(&with(claims(&app), changes))).await, 403, "{what}");
        }
    });
}

#[test]
fn a_role_decides_what_a_token_is_good_for() {
    run(async {
        let app = app_with(settings()).await;
        for (role, status) in [("admin", 201), ("member", 201), ("guest", 403)] {
            let token = signed(&with(claims(&app), json!({"o": {"id": app.external_id, "rol": role}})));
            assert_eq!(create(&app, &token).await, status, "{role}");
        }
        let token = signed(&with(claims(&app), json!({"o": {"id": app.external_id}})));
        assert_eq!(create(&app, &token).await, 403, "no role");
        let read = app.get(&format!("{PATH}/x")).anonymous().header("authorization", format!("Bearer {token}"));
        read.send().await.expect(404);
    });
}

#[test]
fn audiences_and_parties_are_held_against_what_was_configured() {
    run(async {
        let settings = JwtSettings {
            audiences: vec!["sessionary".to_owned()],
            authorized_parties: vec!["https://app.example.com".to_owned()],
            ..settings()
        };
        let app = app_with(settings).await;
        let party = "https://app.example.com";
        for (aud, azp, status) in [
            (json!("sessionary"), json!(party), 201),
            (json!(["other", "sessionary"]), json!(party), 201),
            (json!([7, null, "sessionary"]), json!(party), 201),
            (json!([]), json!(party), 401),
            (json!({"sessionary": true}), json!(party), 401),
            (json!("sessionary"), json!([party]), 401),
            (json!("other"), json!(party), 401),
            (Value::Null, json!(party), 401),
            (json!("sessionary"), json!("https://evil.example"), 401),
            (json!("sessionary"), Value::Null, 401),
        ] {
            let token = signed(&with(claims(&app), json!({"aud": aud, "azp": azp})));
            assert_eq!(create(&app, &token).await, status, "{aud} {azp}");
        }
    });
}

#[test]
fn a_configured_claim_names_the_organization() {
    run(async {
        let settings = JwtSettings { org_claim: Some("tenant".to_owned()), ..settings() };
        let app = app_with(settings).await;
        let named = with(claims(&app), json!({"o": null, "tenant": app.external_id, "role": "admin"}));
        assert_eq!(create(&app, &signed(&named)).await, 201);
        assert_eq!(create(&app, &signed(&claims(&app))).await, 403);
    });
}

#[test]
fn a_public_key_checks_what_its_private_key_signed() {
    run(async {
        let settings = || JwtSettings::default();
        for (algorithm, private, public) in KEYS {
            let jwt = JwtVerifier::new(&JwtKey::Pem((*public).to_owned()), settings()).expect("a key");
            let app = TestApp::with(Setup { jwt: Some(jwt), ..Setup::default() }).await;
            let pem = private.as_bytes();
            let key = match algorithm {
                Algorithm::RS256 => EncodingKey::from_rsa_pem(pem),
                Algorithm::ES256 => EncodingKey::from_ec_pem(pem),
                _ => EncodingKey::from_ed_pem(pem),
            };
            let token = encode(&Header::new(*algorithm), &claims(&app), &key.expect("a key")).expect("a token");
            assert_eq!(create(&app, &token).await, 201, "{algorithm:?}");
            // The known attack: the public key's text as the secret of another algorithm.
            let secret = EncodingKey::from_secret(public.as_bytes());
            let forged = encode(&Header::new(Algorithm::HS256), &claims(&app), &secret).expect("a token");
            assert_eq!(create(&app, &forged).await, 401, "{algorithm:?}");
        }
    });
}

/// Keys of these tests alone.
pub(super) const KEYS: &[(Algorithm, &str, &str)] = &[
    (
        Algorithm::RS256,
        "-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDIQ3QT7myKvm0K
1WnlwU4O1opFgFann5QJD7PoObKahu+YrBjQ1tgwnaTXSTEibhYKZgEf/4tyyHu3
Dq97tDs8oxahXQhDjHPisiz1w8v303c6VNkcBNmgowUCmxeVq7cX4eGxD7m8B2m2
fcULirh8P/Ui53kXD/+X+APtzIJMwfcPKQWo3JsNcXsMkdW5YSWDlFG2oA3txU2W
o8JbuNrxF/hln8/092BoAHYb+N5pAQABm+Xyc4FwXKX6T7gtGJayjN/bZ92WdDb3
6cPP6CGDn6M4z3epj3fDtAMrexMxa1NKNZWUb+vtjgh00ILiLtyHuac5ORaiEh2y
Qhf/XnyrAgMBAAECggEADEZ/ioCOXFt7e/MEneXhSYKNZjY4LufWtKQm7yCo7yo/
QdimtW0TQmOfXjzpIJxRMzZOcljWgjosxICcxr86SadmNIzrJpd+O6ftSUFFCD4I
7GVAC6TLzDoXOAeBWhYfpSdI5MgQe/3o/8Z/egt47yYieg8TOpPV+HQ7lWt4PzPL
/Y9REaoGUcEOQM2CLHoyIUfwGiTYQNPauE30YlHS1Ri1QsR6crPfPc6FB+s95KJG
d0ltFsCrcPWcquZLxiVN+cfNo2bbgoKbhM7rd3ROZteRmimziNXAtF3qjDnWnp7M
Mmbum0rTjAT50W8KBQ26vIzXMqfyfkKIeYE6D+EnaQKBgQD1x27+ab2/wUEeM68v
Z/9h1uVz6fBUzq00bHHebJyyn1UhhJbnTPUilxEbHwSGSsJT8mgTMh5Ta+dH/ufd
/sV/qjKN4lwgEKGmwJkie4LNIJGS3MflvYwmhWtgl/iWRcD913/eKd2mjWtJZ0wr
HUVP3UnmScWd9Hg6bDW1MijJyQKBgQDQl3X4hucIg9ny9snMPydfl/JGdxLAA6G7
4V2YQH8rDdjokJCZxcfOzcZF1bajFvVpgPNUTngGmt7xdzfNUpG/I0JtjagGS9Wk
QLfx+RRf0P7j0jZX4tFqv11cu8gQ3/oROgx6xCdkAYWLGafEYpZxNrRMBMeR/E/z
OV1V6VTM0wKBgFlCYZwB2Qif7b9DM/c6hLQKsHAlYMPb/2lPjRcjSNFSLj+rAIbm
GwzB4lOAM0t2MRb9rTBzfjH7uRYbjCfCVAWmUQ/YSm7Wu25s+fBc/Mb0cgntJqfX
6+M9hx6gcoZYtNs7fVO4zqejKniRDEeILNjxW9pHpn5T/6nwDJ1OpyOJAoGAGu4C
+AQKncnQAJMl+G2K2seWKszCqfGOFuCAoeBpypguEdBgKsojAqsEVw3BV4rmQim4
wICk9E1YTRpUJPjtAh0+PUCVmcJ+oYcNeHrsy3YDAkyoYW5SFRMBrbA8oxkXgtPY
upzKbRnZMN0uEKedvp4OZuYTEeDePYuBZk8KeKsCgYBzHpCKQh0elw7t8ksKW7PB
dQAGSDmihn4rtGE7L7b+jdK7nRBBuSIDZyCn9d4/kxSA6ah+pArOAwhrpR1P2yk0
vv8B9TYQsEN6I9ZJxKYPJsz9qHN+bmweJoJ71U3X/tU6WeC95uSHvp75xa5fnx8f
9wQdxDf2aAJ1zkk8Nd7IMw==
-----END PRIVATE KEY-----
",
        "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyEN0E+5sir5tCtVp5cFO
DtaKRYBWp5+UCQ+z6DmymobvmKwY0NbYMJ2k10kxIm4WCmYBH/+Lcsh7tw6ve7Q7
PKMWoV0IQ4xz4rIs9cPL99N3OlTZHATZoKMFApsXlau3F+HhsQ+5vAdptn3FC4q4
fD/1Iud5Fw//l/gD7cyCTMH3DykFqNybDXF7DJHVuWElg5RRtqAN7cVNlqPCW7ja
8Rf4ZZ/P9PdgaAB2G/jeaQEAAZvl8nOBcFyl+k+4LRiWsozf22fdlnQ29+nDz+gh
g5+jOM93qY93w7QDK3sTMWtTSjWVlG/r7Y4IdNCC4i7ch7mnOTkWohIdskIX/158
qwIDAQAB
-----END PUBLIC KEY-----
",
    ),
    (
        Algorithm::ES256,
        "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgN0hzqiVLmS82jbZd
hljCWwShevmWhU5xS7qpCgvKdKmhRANCAAR4lMvAO55jCKjLdqoJLFuKaayZMbOF
Z1crHt0sk10o8puODJo4f5t0TkhBDwYpPzx4U4nSTydT72Gegk1SJAak
-----END PRIVATE KEY-----
",
        "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeJTLwDueYwioy3aqCSxbimmsmTGz
hWdXKx7dLJNdKPKbjgyaOH+bdE5IQQ8GKT88eFOJ0k8nU+9hnoJNUiQGpA==
-----END PUBLIC KEY-----
",
    ),
    (
        Algorithm::EdDSA,
        "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIA66ru9Z6Z5uktvIeMKC/USQqYWmqopGVR1R+DvkbNXG
-----END PRIVATE KEY-----
",
        "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA5sVZ3hSMaiR5YpP2TKS9GDvX4TEhbCNKC6T4IgivnvI=
-----END PUBLIC KEY-----
",
    ),
];
