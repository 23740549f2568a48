use http::Method;
use serde_json::{Value, json};

use super::{code, pointers};
use crate::support::{Setup, TestApp, run};

const ORGANIZATIONS: &str = "/sessionary/v1/organizations";

async fn operator() -> TestApp {
    TestApp::with(Setup { operator: true, ..Setup::default() }).await
}

#[test]
fn only_operators_manage_organizations() {
    run(async {
        let (operator, other) = (operator().await, TestApp::new().await);
        let me = async |app: &TestApp, key: &str| {
            let reply = app.get("/sessionary/v1/me").anonymous().header("x-api-key", key).send().await;
            reply.expect(200).json()["is_operator"].clone()
        };
        assert_eq!(me(&operator, &operator.key).await, true);
        // Another organization's callers, also of a service that has operators, and a key without the scope.
        assert_eq!(me(&operator, &other.key).await, false);
        assert_eq!(me(&operator, &operator.key_with("sessions:read").await).await, false);
        let path = format!("{ORGANIZATIONS}/{}", other.org);
        for (method, path, body) in [
            (Method::GET, ORGANIZATIONS, ""),
            (Method::POST, ORGANIZATIONS, r#"{"name":"n"}"#),
            (Method::GET, &path, ""),
            (Method::PATCH, &path, r#"{"enabled":false}"#),
            (Method::GET, "/sessionary/v1/health", ""),
        ] {
            let ask = operator.ask(method.clone(), path).anonymous().header("x-api-key", &other.key);
            let ask = if body.is_empty() { ask } else { ask.json(body) };
            assert_eq!(code(ask.send().await, 403), "not_an_operator", "{method} {path}");
        }
        other.get("/sessionary/v1/me").send().await.expect(200);
        assert_eq!(code(other.get(ORGANIZATIONS).send().await, 403), "not_an_operator");
    });
}

#[test]
fn an_operator_creates_limits_and_disables_an_organization() {
    run(async {
        let (app, other) = (operator().await, TestApp::new().await);
        let external = format!("org_{}", app.mint.hex(16));
        let body = json!({"name": "Acme", "external_id": external}).to_string();
        let create = || app.post(ORGANIZATIONS, body.clone()).header("idempotency-key", "k");
        let made = create().send().await.expect(201);
        assert_eq!(create().send().await.expect(201).bytes, made.bytes);
        assert_eq!(code(app.post(ORGANIZATIONS, body.clone()).send().await, 409), "external_id_taken");
        let made = made.json();
        assert_eq!((&made["external_id"], &made["stored_bytes"]), (&json!(external), &json!(0)));
        let page = app.get(&format!("{ORGANIZATIONS}?limit=100")).send().await.expect(200).json();
        assert!(
            page["data"].as_array().expect("rows").iter().any(|row| row["id"] == made["id"])
                || !page["next_cursor"].is_null()
        );

        let path = format!("{ORGANIZATIONS}/{}", other.org);
        let shown = app.get(&path).send().await.expect(200);
        let tag = shown.header("etag").expect("a tag").to_owned();
        let patch = |body: &str| app.ask(Method::PATCH, &path).json(body);
        let body = r#"{"enabled":false,"limits":{"writes":7},"quota_bytes":1000}"#;
        let changed = patch(body).header("if-match", &tag).send().await.expect(200).json();
        assert_eq!(changed["limits"], json!({"capture": null, "writes": 7, "reads": null}));
        assert_eq!((&changed["quota_bytes"], changed["disabled_at"].is_string()), (&json!(1000), true));
        assert_eq!(
            code(patch(r#"{"enabled":true}"#).header("if-match", &tag).send().await, 412),
            "precondition_failed"
        );
        other.get("/sessionary/v1/me").send().await.expect(401);
        let back = patch(r#"{"enabled":true,"limits":null,"quota_bytes":null}"#).send().await.expect(200).json();
        assert_eq!(
            (&back["disabled_at"], &back["limits"]["writes"], &back["quota_bytes"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        other.get("/sessionary/v1/me").send().await.expect(200);
        let log = super::audited(&other).await;
        assert!(log.iter().any(|(action, _)| action == "organization.settings"), "{log:?}");

        let own = app.ask(Method::PATCH, &format!("{ORGANIZATIONS}/{}", app.org)).json(r#"{"enabled":false}"#);
        assert_eq!(code(own.send().await, 409), "own_organization");
        let nothing = format!("{ORGANIZATIONS}/{}", app.mint.uuid());
        assert_eq!(code(app.get(&nothing).send().await, 404), "not_found");
        let wrong = r#"{"limits":{"writes":0,"all":1},"quota_bytes":0,"name":"x"}"#;
        let mut found = pointers(patch(wrong).send().await);
        found.sort_unstable();
        assert_eq!(found, ["/limits/all", "/limits/writes", "/name", "/quota_bytes"]);
        let health = app.get("/sessionary/v1/health").send().await.expect(200).json();
        assert!(health["deliveries"]["due"].is_i64(), "{health}");
    });
}
