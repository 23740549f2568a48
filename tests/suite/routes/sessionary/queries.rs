//! Query parameters that an operation does not have.

use http::Method;
use serde_json::Value;
use sessionary::domain::ApiName;

use super::is_problem;
use crate::support::{TestApp, run};

/// Operations that anyone may call.
const WITHOUT_CALLER: [&str; 3] =
    ["/sessionary/v1/version", "/sessionary/v1/console/login", "/sessionary/v1/console/logout"];

#[test]
fn every_operation_rejects_a_parameter_that_it_does_not_have() {
    run(async {
        let app = TestApp::new().await;
        let document = sessionary::cli::openapi_text(ApiName::Sessionary).expect("a document");
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let mut checked = 0;
        for (path, item) in document["paths"].as_object().expect("paths") {
            if WITHOUT_CALLER.contains(&path.as_str()) {
                continue;
            }
            for method in item.as_object().expect("operations").keys() {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let concrete = path.replace(['{', '}'], "");
                for query in ["page=2", "limti=1&limit=1", "%00=1", "="] {
                    let reply = app.ask(method.clone(), &format!("{concrete}?{query}")).json("{}").send().await;
                    is_problem(&reply, 400, "invalid_query");
                }
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked} operations");
        app.get("/sessionary/v1/me?page=2").anonymous().send().await.expect(401);
        app.get("/sessionary/v1/settings?").send().await.expect(200);
        let long = format!("/sessionary/v1/me?{}=1&{}", "é".repeat(500), "x&".repeat(400));
        let reply = app.get(&long).send().await;
        is_problem(&reply, 400, "invalid_query");
        let errors = reply.json()["errors"].as_array().expect("errors").clone();
        assert_eq!(errors.len(), 10);
        assert_eq!(errors[0]["detail"], format!("There is no parameter {:?}.", "é".repeat(100)));
    });
}
