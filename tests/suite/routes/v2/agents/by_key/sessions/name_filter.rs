//! `filter` of `GET /v2/agents` and `GET /v2/agents/{agent_key}/sessions`: what a regular expression may cost.

use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use sessionary::http::CostlyWork;

use crate::support::agent_key::{AGENTS, SESSIONS, agent, all_keys, is_error, keys, session};
use crate::support::{Setup, TestApp, run};

#[test]
fn a_search_without_time_goes_on_from_page_to_page() {
    run(async {
        let costly = CostlyWork::default().with_scan_time(Duration::ZERO);
        let app = TestApp::with(Setup { costly, ..Setup::default() }).await;
        for place in 0..4 {
            session(&app, &format!("s{place}"), &json!({ "description": "x".repeat(10_000) })).await;
            agent(&app, &format!("a{place}"), &json!({})).await;
        }
        // Of each page one row is looked at, whether or not it is found.
        let first = app.get(&format!("{SESSIONS}?filter=s%5B02%5D")).send().await.expect(200);
        assert!(keys(&first, "sessions").len() <= 1);
        assert!(first.json()["metadata"]["page_key"].is_string());
        let mut found = all_keys(&app, &format!("{SESSIONS}?filter=s%5B02%5D%24"), "sessions").await;
        found.sort_unstable();
        assert_eq!(found, ["s0", "s2"]);
        let mut found = all_keys(&app, &format!("{AGENTS}?filter=a%5B13%5D%24"), "agents").await;
        found.sort_unstable();
        assert_eq!(found, ["a1", "a3"]);
    });
}

#[test]
fn an_organization_searches_once_at_a_time() {
    run(async {
        let costly = CostlyWork::default();
        let app = TestApp::with(Setup { costly: costly.clone(), ..Setup::default() }).await;
        session(&app, "one", &json!({})).await;
        let searching = costly.scan(app.org).expect("a permit");
        for path in [AGENTS, SESSIONS] {
            let refused = app.get(&format!("{path}?filter=a")).send().await.expect(429);
            assert_eq!(refused.header("retry-after"), Some("1"), "{path}");
            app.get(path).send().await.expect(200);
        }
        drop(searching);
        for path in [AGENTS, SESSIONS, AGENTS, SESSIONS] {
            app.get(&format!("{path}?filter=a")).send().await.expect(200);
        }
    });
}

#[test]
fn others_are_served_while_an_expression_is_matched() {
    run(async {
        for path in [AGENTS, SESSIONS] {
            let costly = CostlyWork::default();
            let app = TestApp::with(Setup { costly: costly.clone(), ..Setup::default() }).await;
            session(&app, "one", &json!({ "description": "a".repeat(10_000) })).await;
            // As long as the threads for it are busy, no expression is matched anywhere else.
            let busy = occupy(&costly);
            let mut search = Box::pin(app.get(&format!("{path}?filter=%28a%2B%29%2Bb")).send());
            for _ in 0..20 {
                assert!(search.as_mut().now_or_never().is_none(), "{path} was matched on the async worker");
                app.get("/livez").anonymous().send().await.expect(200);
            }
            drop(busy);
            search.await.expect(200);
        }
    });
}

/// Makes every thread for costly work busy until the return value is dropped.
fn occupy(costly: &CostlyWork) -> Vec<std::sync::mpsc::Sender<()>> {
    (0..2)
        .map(|_| {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let costly = costly.clone();
            let mut work = Box::pin(async move { costly.run(move || ended.recv().is_ok()).await });
            // The permit is acquired at once, and the thread has it until its work ends.
            assert!(work.as_mut().now_or_never().is_none());
            end
        })
        .collect()
}

#[test]
fn expressions_and_texts_are_bounded() {
    run(async {
        let app = TestApp::new().await;
        let description = format!("{}needle", "é".repeat(1_000));
        session(&app, "far", &json!({ "description": description })).await;
        session(&app, "near", &json!({ "description": &description["é".len() * 6..] })).await;
        agent(&app, "far", &json!({ "description": description })).await;
        let found = app.get(&format!("{SESSIONS}?filter=needle")).send().await.expect(200);
        assert_eq!(keys(&found, "sessions"), ["near"]);
        let found = app.get(&format!("{AGENTS}?filter=needle")).send().await.expect(200);
        assert!(keys(&found, "agents").is_empty());
        // Each of these compiles to more than 64 KiB.
        for large in ["%5CpL%7B1%2C100%7D", "%28%3Fi%29%5Cw%7B64%7D"] {
            for path in [AGENTS, SESSIONS] {
                let reply = app.get(&format!("{path}?filter={large}")).send().await;
                let said = "filter: is too large a regular expression";
                is_error(&reply, 400, Some("invalid_request"), said);
            }
        }
    });
}
