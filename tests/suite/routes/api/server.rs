//! `GET /api/server/ping`.

use http::Method;

use crate::support::{Setup, TestApp, run};

#[test]
fn the_server_responds_to_callers_it_knows() {
    run(async {
        let app = TestApp::new().await;
        for path in ["/api/server/ping", "/API/Server/Ping/"] {
            let reply = app.get(path).send().await.expect(200);
            assert_eq!(reply.text(), r#"{"pong":true,"timestamp":1777453200000}"#);
        }
        let unknown = app.get("/api/server/ping").anonymous().send().await.expect(401);
        assert_eq!(unknown.json()["error"], "API key required");
        let open = TestApp::with(Setup { default_org: true, ..Setup::default() }).await;
        let ask = open.get("/api/server/ping").anonymous().from("127.0.0.1").header("host", "localhost");
        ask.send().await.expect(200);
        for (method, path) in
            [(Method::POST, "/api/server/ping"), (Method::GET, "/api/server/stop"), (Method::GET, "/api/server")]
        {
            let reply = app.ask(method, path).send().await.expect(404);
            assert_eq!(reply.json()["error"]["message"], "API endpoint not found");
        }
    });
}
