//! Bodies that every route must reject, in every dialect: each is a clear 4xx in the dialect's envelope, and creates no
//! row.

use super::{Reply, TestApp};

/// A dialect's create route.
pub struct CreateRoute<'a> {
    pub path: &'a str,
    /// A valid body: a JSON object with an unknown member `"pad"` that may be replaced.
    pub taken: &'a str,
    /// Returns whether a response is an error in the dialect's envelope.
    pub is_envelope: fn(&Reply) -> bool,
    /// Whether texts that cannot be stored are mended instead of rejected.
    pub mends_texts: bool,
}

/// Sends every bad body, and counts the rows afterwards.
pub async fn rejects_every_bad_body(app: &TestApp, route: &CreateRoute<'_>) {
    assert!(route.taken.contains("\"pad\""), "the body that is taken has a member to replace");
    let padded = |value: &str| route.taken.replacen("\"pad\":0", &format!("\"pad\":{value}"), 1);
    let before = app.sessions().await;

    let json = "application/json";
    let mut bodies: Vec<(&str, &str, Vec<u8>, &[u16])> = vec![
        ("no JSON", json, b"not json".to_vec(), &[400]),
        ("cut off", json, route.taken.as_bytes()[..route.taken.len() - 1].to_vec(), &[400]),
        ("two values", json, format!("{} {{}}", route.taken).into_bytes(), &[400]),
        ("nothing", json, Vec::new(), &[400]),
        ("white space", json, b" \n".to_vec(), &[400]),
        ("an array", json, format!("[{}]", route.taken).into_bytes(), &[400]),
        ("a text", json, b"\"text\"".to_vec(), &[400]),
        ("a number", json, b"17".to_vec(), &[400]),
        ("null", json, b"null".to_vec(), &[400]),
        ("an empty object", json, b"{}".to_vec(), &[400]),
        ("5,000 deep", json, padded(&("[".repeat(5_000) + &"]".repeat(5_000))).into_bytes(), &[400]),
        ("5,000 deep and open", json, padded(&"[".repeat(5_000)).into_bytes(), &[400]),
        (
            "invalid UTF-8",
            json,
            padded("\"?\"")
                .replace('?', "\u{1}")
                .into_bytes()
                .iter()
                .map(|b| if *b == 1 { 0xff } else { *b })
                .collect(),
            &[400],
        ),
        ("a raw control character", json, padded("\"\u{0}\"").into_bytes(), &[400]),
        ("1e999999", json, padded("1e999999").into_bytes(), &[400]),
        ("a number of 2,000 digits", json, padded(&"9".repeat(2_000)).into_bytes(), &[400]),
        ("too large", json, padded(&format!("\"{}\"", "x".repeat(2 * 1024 * 1024))).into_bytes(), &[413]),
        ("another content type", "text/plain", route.taken.as_bytes().to_vec(), &[400, 415]),
        ("a form", "application/x-www-form-urlencoded", route.taken.as_bytes().to_vec(), &[400, 415]),
        ("another charset", "application/json; charset=utf-16", route.taken.as_bytes().to_vec(), &[400, 415]),
        ("no content type", "", route.taken.as_bytes().to_vec(), &[400, 415]),
    ];
    if !route.mends_texts {
        bodies.extend([
            ("U+0000", json, padded(r#""\u0000""#).into_bytes(), &[400][..]),
            ("U+0000 in a key", json, padded(r#"{"\u0000":1}"#).into_bytes(), &[400]),
        ]);
    }
    for (name, content_type, body, statuses) in bodies {
        let mut ask = app.post(route.path, "").without("content-type").body(body);
        if !content_type.is_empty() {
            ask = ask.header("content-type", content_type);
        }
        let reply = ask.send().await;
        assert!(statuses.contains(&reply.status.as_u16()), "{name}: {} {}", reply.status, reply.text());
        assert!((route.is_envelope)(&reply), "{name}: {}", reply.text());
    }

    for header in ["x-api-key", "authorization", "x-org-id"] {
        let value = if header == "x-org-id" { app.org.to_string() } else { app.key.clone() };
        let reply = app
            .post(route.path, route.taken)
            .without(header)
            .header(header, &value)
            .header(header, &value)
            .send()
            .await;
        assert_eq!(reply.status, 400, "{header} twice: {}", reply.text());
        assert!((route.is_envelope)(&reply), "{header} twice: {}", reply.text());
        let reply = app.post(route.path, route.taken).without(header).header(header, b"\xff\xfe").send().await;
        assert!(reply.status.is_client_error(), "{header} that is no text: {}", reply.text());
        assert!((route.is_envelope)(&reply), "{header} that is no text: {}", reply.text());
    }

    assert_eq!(app.sessions().await, before, "a refused body left a row");
    let reply = app.post(route.path, route.taken).send().await;
    assert!(reply.status.is_success(), "the body that is taken was refused: {}", reply.text());
    assert_eq!(app.sessions().await, before + 1);
}

/// Checks that a token is as good as a key, within its user's role.
pub async fn takes_a_token(app: &TestApp, route: &CreateRoute<'_>) {
    let ask =
        |role| app.post(route.path, route.taken).anonymous().header("authorization", super::tokens::bearer(app, role));
    let before = app.sessions().await;
    let reply = ask("guest").send().await.expect(403);
    assert!((route.is_envelope)(&reply), "{}", reply.text());
    assert_eq!(app.sessions().await, before);
    let reply = ask("member").send().await;
    assert!(reply.status.is_success(), "{}", reply.text());
    assert_eq!(app.sessions().await, before + 1);
}

/// Returns an object of exactly `total` UTF-16 units as compact JSON: one member, filled with `filling`, which counts
/// as `units` of them.
pub fn object_of(total: usize, filling: &str, units: usize) -> String {
    let around = r#"{"k":""}"#.len();
    let times = (total - around) / units;
    format!(r#"{{"k":"{}{}"}}"#, filling.repeat(times), "x".repeat(total - around - times * units))
}

/// Fillings for [`object_of`]: characters and escapes of every width, with JavaScript's count of each.
pub const FILLINGS: [(&str, usize); 8] =
    [("x", 1), ("é", 1), ("😀", 2), (r"\n", 2), (r"\u0041", 1), (r"\u0001", 6), (r"\/", 1), (r"\ud83d\ude00", 2)];

/// Keys that confuse some parsers, numbers that a double cannot represent, and members in no order; compact.
pub const HOSTILE_OBJECT: &str = r#"{"z":1,"__proto__":{"admin":true},"constructor":null,"":0,"a\"b\\c":[],"$serde_json::private::RawValue":"1","$serde_json::private::Number":"2","toString":"x","'; DROP TABLE sessions; --":"$1","a":123456789012345678901234567890,"float":1.0,"exponent":1E2,"é😀":"\u00e9\/\ud83d\ude00"}"#;

/// Tries every credential against the table of docs/credentials.md, with the dialect's response for each.
pub struct Credentials {
    pub org_header: u16,
    pub bearer_api_key: u16,
    pub nothing: u16,
}

pub async fn holds_the_table_of_credentials(app: &TestApp, route: &CreateRoute<'_>, table: &Credentials) {
    let made_up =
        sessionary::domain::ApiKey::generate(&"pk_live".parse().expect("a prefix"), &app.mint).expose().to_owned();
    let (expired, _) = app.key_until(super::start()).await;
    let reads_only = app.key_with("sessions:read").await;
    let (most, last) = app.key.split_at(app.key.len() - 1);
    let miscopied = format!("{most}{}", if last == "0" { "1" } else { "0" });
    let ask = || app.post(route.path, route.taken).anonymous().from("127.0.0.1").header("host", "localhost");
    let org = app.org.to_string();
    for (name, ask, status) in [
        ("x-api-key", ask().header("x-api-key", &app.key), 0),
        ("x-api-key and its org", ask().header("x-api-key", &app.key).header("x-org-id", &org), 0),
        ("x-org-id alone", ask().header("x-org-id", &org), table.org_header),
        ("an API key as Bearer", ask().header("authorization", format!("Bearer {}", app.key)), table.bearer_api_key),
        ("nothing", ask(), table.nothing),
        ("a made-up key", ask().header("x-api-key", made_up), 401),
        ("a key with a wrong checksum", ask().header("x-api-key", miscopied), 401),
        ("an empty key", ask().header("x-api-key", ""), 401),
        ("an expired key", ask().header("x-api-key", expired), 401),
        (
            "a bad key beside a good Bearer",
            ask().header("x-api-key", "x").header("authorization", format!("Bearer {}", app.key)),
            401,
        ),
        ("a bad token", ask().header("authorization", "Bearer a.b.c"), 401),
        ("another scheme", ask().header("authorization", "Basic YTpi"), 401),
        ("a key without the scope", ask().header("x-api-key", reads_only), 403),
        (
            "a key and somebody else's org",
            ask().header("x-api-key", &app.key).header("x-org-id", "0f0e0d0c-0b0a-4909-8807-060504030201"),
            403,
        ),
    ] {
        let reply = ask.send().await;
        match status {
            0 => assert!(reply.status.is_success(), "{name}: {} {}", reply.status, reply.text()),
            status => {
                assert_eq!(reply.status.as_u16(), status, "{name}: {}", reply.text());
                assert!(status < 300 || (route.is_envelope)(&reply), "{name}: {}", reply.text());
            }
        }
    }
}

/// Checks that the response to an exceeded limit is 429 in the envelope with a retry time, and that it creates no row.
pub async fn holds_the_rate_limit(app: &TestApp, route: &CreateRoute<'_>) {
    app.limit_to(1).await;
    let first = app.post(route.path, route.taken).send().await;
    assert!(first.status.is_success(), "{}", first.text());
    let rows = app.sessions().await;
    let second = app.post(route.path, route.taken).send().await.expect(429);
    assert!((route.is_envelope)(&second), "{}", second.text());
    let wait: u32 = second.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
    assert_eq!(app.sessions().await, rows);
}
