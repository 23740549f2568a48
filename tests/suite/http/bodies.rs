//! Large bodies in memory are bounded per organization, on every route that accepts JSON.

use sessionary::http::{LargeBodies, LargeBodyLimits, LowPriority};

use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, Setup, TestApp, run};

#[test]
fn bodies_past_an_organizations_share_are_rejected_and_their_bytes_are_returned() {
    run(async {
        let limits = LargeBodyLimits { bytes_per_sender: 300 * 1024, ..LargeBodyLimits::default() };
        let large_bodies = LargeBodies::new(limits, LowPriority::default());
        let app = TestApp::with(Setup { large_bodies: large_bodies.clone(), ..Setup::default() }).await;
        let large = "x".repeat(400 * 1024);
        let fits = "x".repeat(200 * 1024);
        for (path, body) in [
            ("/v1/chat/chat/sessions", format!(r#"{{"agentId":"{AGENT_ID}","unknown":"{large}"}}"#)),
            ("/v2/agents/customer_support/sessions", format!(r#"{{"name":"s","unknown":"{large}"}}"#)),
            (
                "/api/messaging/sessions",
                format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}","unknown":"{large}"}}"#),
            ),
            ("/api/v1/sessions", format!(r#"{{"agent_id":123,"unknown":"{large}"}}"#)),
            ("/dashboard/api/raw-logs", format!(r#"{{"unknown":"{large}"}}"#)),
        ] {
            let reply = app.post(path, body.clone()).send().await;
            assert_eq!(reply.status, 429, "{path}: {}", reply.text());
            assert!(reply.header("retry-after").is_some(), "{path}");
            assert!(large_bodies.is_idle(), "{path}");

            let reply = app.post(path, body.replace(&large, &fits)).send().await;
            assert!(reply.status.is_success(), "{path}: {}", reply.text());
            assert!(large_bodies.is_idle(), "{path}");
        }
    });
}
