//! `GET /v1/chat/chat/sessions/download/csv`.

use sessionary::domain::DialectName;

use crate::support::agntix::{SESSIONS, close, code, create};
use crate::support::{AGENT_ID, TestApp, run};

fn path(query: &str) -> String {
    format!("{SESSIONS}/download/csv{query}")
}

#[test]
fn the_sessions_come_as_rfc_4180() {
    run(async {
        let app = TestApp::new().await;
        let closed = create(&app, r#""platform":"WEB","metadata":{"note":"=1+1, \"客\"\n"}"#).await;
        close(&app, &closed).await.expect(200);
        app.clock.advance(chrono::Duration::seconds(1));
        let open = create(&app, "").await;
        let csv = app.get(&path("")).send().await.expect(200);
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"sessions.csv\""));
        let org = &app.external_id;
        let expected = format!(
            "\u{feff}id,agentId,platform,state,metadata,orgId,createdAt,updatedAt\r\n\
             {open},{AGENT_ID},SDK,OPEN,{{}},{org},2026-04-29T09:00:01Z,2026-04-29T09:00:01Z\r\n\
             {closed},{AGENT_ID},WEB,CLOSED,\"{{\"\"note\"\":\"\"=1+1, \\\"\"客\\\"\"\\n\"\"}}\",{org},2026-04-29T09:00:00Z,2026-04-29T09:00:00Z\r\n"
        );
        assert_eq!(csv.text(), expected);
        let closed_only = app.get(&path("?state=CLOSED")).send().await.expect(200).text();
        assert_eq!(closed_only.lines().count(), 2);
    });
}

#[test]
fn all_of_them_come_each_once_and_none_of_another_organization() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        create(&other, "").await;
        app.fill_sessions(DialectName::Agntix, 1_777).await;
        let csv = app.get(&path("")).send().await.expect(200).text();
        let mut ids: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        assert_eq!(ids.len(), 1_777);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1_777);
    });
}

#[test]
fn what_is_wrong_is_told_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        assert_eq!(code(&app.get(&path("?state=x")).send().await.expect(400)), "VALIDATION_ERROR");
        assert_eq!(code(&app.get(&path("")).anonymous().send().await.expect(401)), "UNAUTHORIZED");
        let lacking = app.key_with("chat:write").await;
        app.get(&path("")).anonymous().header("x-api-key", lacking).send().await.expect(403);
    });
}
