//! `GET /v1/chat/chat/sessions`.

use chrono::Duration;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use sessionary::domain::DialectName;

use crate::support::agntix::{SESSIONS, close, code, create, say};
use crate::support::{AGENT_ID, TestApp, run};

async fn list(app: &TestApp, query: &str) -> Value {
    app.get(&format!("{SESSIONS}{query}")).send().await.expect(200).json()
}

async fn ids(app: &TestApp, query: &str) -> Vec<String> {
    let listed = list(app, query).await;
    let data = listed["data"].as_array().expect("an array");
    data.iter().map(|session| session["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn the_list_reads_as_documented() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#""platform":"SDK","metadata":{"userId":"usr_123","locale":"en-US"}"#).await;
        let listed = list(&app, "").await;
        assert_eq!(listed["data"][0], app.get(&format!("{SESSIONS}/{id}")).send().await.expect(200).json());
        assert_json_snapshot!(listed["pagination"], @r#"
        {
          "page": 1,
          "limit": 20,
          "total": 1,
          "totalPages": 1
        }
        "#);
        let none = list(&TestApp::new().await, "").await;
        assert_eq!(none, json!({"data": [], "pagination": {"page": 1, "limit": 20, "total": 0, "totalPages": 0}}));
    });
}

#[test]
fn filters_leave_what_they_say() {
    run(async {
        let app = TestApp::new().await;
        let (agent, _) = app.add_agent().await;
        let sdk = create(&app, "").await;
        app.clock.advance(Duration::seconds(1));
        let web = create(&app, r#""platform":"WEB""#).await;
        app.clock.advance(Duration::seconds(1));
        let body = json!({"agentId": agent}).to_string();
        let others = app.post(SESSIONS, body).send().await.expect(201).member("id");
        close(&app, &sdk).await.expect(200);
        app.post("/api/v1/sessions", r#"{"agent_id":123}"#).send().await.expect(201);

        let all = [others.clone(), web.clone(), sdk.clone()];
        for everything in ["", "?state=&platform=&agentId=", "?sort=createdAt:desc", "?unknown=1"] {
            assert_eq!(ids(&app, everything).await, all, "{everything}");
        }
        assert_eq!(ids(&app, "?state=OPEN").await, [others.clone(), web.clone()]);
        assert_eq!(ids(&app, "?state=CLOSED").await, std::slice::from_ref(&sdk));
        assert_eq!(ids(&app, "?state=EXPIRED").await, Vec::<String>::new());
        assert_eq!(ids(&app, "?platform=WEB").await, std::slice::from_ref(&web));
        assert_eq!(ids(&app, &format!("?agentId={AGENT_ID}")).await, [web.clone(), sdk.clone()]);
        assert_eq!(ids(&app, &format!("?agentId={agent}&state=CLOSED")).await, Vec::<String>::new());
        assert_eq!(ids(&app, "?agentId=a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731").await, Vec::<String>::new());
        assert_eq!(ids(&app, "?sort=createdAt:asc").await, [sdk.clone(), web.clone(), others.clone()]);
        // It was closed last.
        assert_eq!(ids(&app, "?sort=updatedAt:desc").await, [others.clone(), sdk.clone(), web.clone()]);
        assert_eq!(ids(&app, "?sort=updatedAt:asc&state=OPEN").await, [web, others]);
    });
}

#[test]
fn filters_that_mean_nothing_are_refused() {
    run(async {
        let app = TestApp::new().await;
        for query in [
            "state=open",
            "state=IDLE",
            "platform=PHONE",
            "platform=sdk",
            "agentId=123",
            "agentId=%00",
            "sort=createdAt",
            "sort=id:asc",
            "sort=createdAt:up",
            "cursor=x",
            "cursor=1.2",
        ] {
            let refused = app.get(&format!("{SESSIONS}?{query}")).send().await.expect(400);
            assert_eq!(code(&refused), "VALIDATION_ERROR", "{query}");
        }
    });
}

#[test]
fn page_and_limit_of_every_wrong_kind_are_moved_and_never_refused() {
    run(async {
        let app = TestApp::new().await;
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(create(&app, "").await);
            app.clock.advance(Duration::seconds(1));
        }
        made.reverse();
        for (query, page, limit, shown) in [
            ("page=0", 1, 20, 0..3),
            ("page=-1&limit=0", 1, 1, 0..1),
            ("page=1e3&limit=1e3", 1, 20, 0..3),
            ("page=&limit=", 1, 20, 0..3),
            ("page=two&limit=%00", 1, 20, 0..3),
            ("page=2&limit=2", 2, 2, 2..3),
            ("page=002&limit=02", 2, 2, 2..3),
            ("limit=101", 1, 100, 0..3),
            ("limit=9007199254740993", 1, 100, 0..3),
            ("limit=99999999999999999999&page=-99999999999999999999", 1, 100, 0..3),
            ("limit=-5", 1, 1, 0..1),
            ("pageSize=2", 1, 2, 0..2),
            ("pageSize=2&limit=1", 1, 1, 0..1),
            ("page=9007199254740993", 1_000_000_000, 20, 3..3),
            ("page=4&limit=1", 4, 1, 3..3),
            ("page=1.5&limit=2.5", 1, 20, 0..3),
            ("page=1&page=2", 1, 20, 0..3),
        ] {
            let listed = list(&app, &format!("?{query}")).await;
            let pagination = &listed["pagination"];
            assert_eq!((&pagination["page"], &pagination["limit"]), (&json!(page), &json!(limit)), "{query}");
            assert_eq!(pagination["total"], 3, "{query}");
            assert_eq!(ids(&app, &format!("?{query}")).await, made[shown], "{query}");
        }
    });
}

#[test]
fn pages_and_totals_are_exact_up_to_ten_thousand_and_a_cursor_leads_on() {
    run(async {
        let app = TestApp::new().await;
        app.fill_sessions(DialectName::Agntix, 10_020).await;
        let last = list(&app, "?page=100&limit=100").await;
        assert_eq!(last["pagination"]["total"], 10_000);
        assert_eq!(last["pagination"]["totalPages"], 100);
        assert_eq!(last["data"].as_array().map(Vec::len), Some(100));
        assert_eq!(last["data"][99]["id"], "21");
        assert!(list(&app, "?page=101&limit=100").await["data"].as_array().is_some_and(Vec::is_empty));

        let cursor = last["pagination"]["nextCursor"].as_str().expect("a cursor");
        let rest = list(&app, &format!("?cursor={cursor}")).await;
        assert_eq!((&rest["pagination"]["total"], &rest["pagination"]["nextCursor"]), (&json!(20), &Value::Null));
        assert_eq!((&rest["data"][0]["id"], &rest["data"][19]["id"]), (&json!("20"), &json!("1")));

        let closed = list(&app, &format!("?state=CLOSED&agentId={AGENT_ID}&limit=1")).await;
        assert_eq!(closed["pagination"]["total"], 1_000);
        let oldest = list(&app, "?sort=createdAt:asc&limit=1").await;
        assert_eq!(oldest["data"][0]["id"], "1");
        let cursor = oldest["pagination"]["nextCursor"].as_str().expect("a cursor");
        let rest = list(&app, &format!("?sort=createdAt:asc&cursor={cursor}&limit=1")).await;
        assert_eq!((&rest["data"][0]["id"], &rest["pagination"]["total"]), (&json!("10001"), &json!(20)));
    });
}

#[test]
fn a_message_does_not_move_a_session_to_another_page() {
    run(async {
        let app = TestApp::new().await;
        let first = create(&app, "").await;
        app.clock.advance(Duration::seconds(1));
        let second = create(&app, "").await;
        say(&app, &first, "hello").await.expect(200);
        assert_eq!(ids(&app, "").await, [second, first]);
    });
}

#[test]
fn the_older_path_lists_the_same_and_limits_are_told() {
    run(async {
        let app = TestApp::new().await;
        create(&app, "").await;
        let listed = app.get("/api/v1/chat/sessions?limit=7").send().await.expect(200);
        assert_eq!(listed.json(), list(&app, "?limit=7").await);
        for header in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
            assert!(listed.header(header).is_some_and(|value| value.parse::<u64>().is_ok()), "{header}");
        }
        let refused = app.get(&format!("{SESSIONS}?state=x")).send().await.expect(400);
        assert!(refused.header("x-ratelimit-limit").is_some());
        app.get(SESSIONS).anonymous().send().await.expect(401);
        app.get(SESSIONS).anonymous().header("x-api-key", app.key_with("chat:write").await).send().await.expect(403);
    });
}
