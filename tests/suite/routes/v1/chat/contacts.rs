//! `/v1/chat/contacts` and `/v1/chat/contacts/{contactId}`.

use chrono::Duration;
use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::agntix::{CONTACTS, NOBODYS_IDS, SESSIONS, code, create};
use crate::support::{AGENT_ID, Reply, TestApp, run};

async fn make(app: &TestApp, body: &str) -> String {
    app.post(CONTACTS, body).send().await.expect(201).member("id")
}

async fn patch(app: &TestApp, id: &str, body: &str) -> Reply {
    app.ask(Method::PATCH, &format!("{CONTACTS}/{id}")).json(body).send().await
}

async fn names(app: &TestApp, query: &str) -> Vec<Value> {
    let listed = app.get(&format!("{CONTACTS}{query}")).send().await.expect(200).json();
    listed["data"].as_array().expect("an array").iter().map(|contact| contact["name"].clone()).collect()
}

#[test]
fn a_contact_is_made_changed_and_deleted() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"externalId":"crm-1","name":"Ada","phone":"+49","email":"ada@example.com","metadata":{"z":1,"a":2},"tags":["vip"]}"#;
        let made = app.post(CONTACTS, body).send().await.expect(201).json();
        assert_json_snapshot!(made, { ".id" => "[id]", ".orgId" => "[org]" }, @r#"
        {
          "id": "[id]",
          "externalId": "crm-1",
          "name": "Ada",
          "phone": "+49",
          "email": "ada@example.com",
          "metadata": {
            "z": 1,
            "a": 2
          },
          "tags": [
            "vip"
          ],
          "orgId": "[org]",
          "createdAt": "2026-04-29T09:00:00Z"
        }
        "#);
        let id = made["id"].as_str().expect("an id");
        let changed = patch(&app, id, r#"{"name":"Ada L.","phone":null,"tags":[]}"#).await.expect(200).json();
        let mut expected = made.clone();
        (expected["name"], expected["phone"], expected["tags"]) = (json!("Ada L."), Value::Null, json!([]));
        assert_eq!(changed, expected);
        assert_eq!(app.get(CONTACTS).send().await.expect(200).json()["data"], json!([expected]));
        let gone = app.ask(Method::DELETE, &format!("{CONTACTS}/{id}")).send().await.expect(204);
        assert!(gone.bytes.is_empty());
        app.ask(Method::DELETE, &format!("{CONTACTS}/{id}")).send().await.expect(404);
        assert!(names(&app, "").await.is_empty());
    });
}

#[test]
fn an_external_id_belongs_to_one() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        make(&app, r#"{"externalId":"crm-1"}"#).await;
        make(&other, r#"{"externalId":"crm-1"}"#).await;
        assert_eq!(code(&app.post(CONTACTS, r#"{"externalId":"crm-1"}"#).send().await.expect(409)), "CONFLICT");
        let second = make(&app, r#"{"externalId":"crm-2"}"#).await;
        assert_eq!(code(&patch(&app, &second, r#"{"externalId":"crm-1"}"#).await.expect(409)), "CONFLICT");
        patch(&app, &second, r#"{"externalId":null}"#).await.expect(200);
        make(&app, "{}").await;
        make(&app, "{}").await;
    });
}

#[test]
fn contacts_are_found_by_what_is_known_of_them() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        make(&other, r#"{"name":"Ada of another"}"#).await;
        for body in [
            r#"{"name":"Ada","email":"ada@example.com"}"#,
            r#"{"name":"Grace","phone":"+1 555"}"#,
            r#"{"name":"100%_\\","externalId":"CRM-ÄÖ"}"#,
        ] {
            make(&app, body).await;
            app.clock.advance(Duration::seconds(1));
        }
        assert_eq!(names(&app, "").await, [r"100%_\", "Grace", "Ada"]);
        assert_eq!(names(&app, "?search=ADA").await, ["Ada"]);
        assert_eq!(names(&app, "?search=555").await, ["Grace"]);
        assert_eq!(names(&app, "?search=example.com").await, ["Ada"]);
        assert_eq!(names(&app, "?search=crm-%C3%A4%C3%B6").await, [r"100%_\"]);
        assert_eq!(names(&app, "?search=%25_%5C").await, [r"100%_\"]);
        assert!(names(&app, "?search=%00").await.is_empty());
        assert!(names(&app, "?search=nobody").await.is_empty());
        assert_eq!(names(&app, "?limit=1&page=2").await, ["Grace"]);
        for query in ["?page=x&limit=1e3", "?page=0&limit=99999999999999999999", "?page=-1"] {
            assert_eq!(names(&app, query).await.len(), 3, "{query}");
        }
        let listed = app.get(&format!("{CONTACTS}?limit=2&search=a")).send().await.expect(200).json();
        assert_eq!(listed["pagination"], json!({"page": 1, "limit": 2, "total": 2, "totalPages": 1}));
        app.get(&format!("{CONTACTS}?cursor=x")).send().await.expect(400);
    });
}

#[test]
fn a_session_finds_its_contact_or_makes_one() {
    run(async {
        let app = TestApp::new().await;
        let contact = r#""contact":{"externalId":"crm-1","metadata":{"plan":"pro"},"tags":["vip"]}"#;
        let creates = (0..8).map(|_| create(&app, contact));
        let ids = futures::future::join_all(creates).await;
        let listed = app.get(CONTACTS).send().await.expect(200).json();
        assert_eq!(listed["pagination"]["total"], 1);
        assert_eq!((&listed["data"][0]["externalId"], &listed["data"][0]["tags"]), (&json!("crm-1"), &json!(["vip"])));
        for id in ids {
            let session = app.get(&format!("{SESSIONS}/{id}")).send().await.expect(200).json();
            assert_eq!(
                session["contact"],
                json!({"externalId": "crm-1", "metadata": {"plan": "pro"}, "tags": ["vip"]})
            );
        }
        create(&app, r#""contact":{"tags":["anonymous"]}"#).await;
        create(&app, "").await;
        assert_eq!(app.get(CONTACTS).send().await.expect(200).json()["pagination"]["total"], 2);
        let long = format!(r#"{{"agentId":"{AGENT_ID}","contact":{{"externalId":"{}"}}}}"#, "x".repeat(256));
        app.post(SESSIONS, long).send().await.expect(400);
    });
}

#[test]
fn bad_bodies_and_nobodys_ids_are_refused() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let id = make(&app, "{}").await;
        let theirs = make(&other, "{}").await;
        let metadata = format!(r#"{{"metadata":{{"k":"{}"}}}}"#, "x".repeat(4_096));
        let many = json!({"tags": vec!["x"; 101]}).to_string();
        for body in [
            r#"{"externalId":""}"#,
            r#"{"externalId":5}"#,
            r#"{"name":[]}"#,
            r#"{"tags":"vip"}"#,
            r#"{"tags":[1]}"#,
            r#"{"metadata":[]}"#,
            "[]",
            "",
            &metadata,
            &many,
        ] {
            assert_eq!(code(&app.post(CONTACTS, body).send().await.expect(400)), "VALIDATION_ERROR", "{body}");
            assert_eq!(code(&patch(&app, &id, body).await.expect(400)), "VALIDATION_ERROR", "{body}");
        }
        for nobody in NOBODYS_IDS.into_iter().chain([theirs.as_str()]) {
            assert_eq!(code(&patch(&app, nobody, r#"{"name":"x"}"#).await.expect(404)), "NOT_FOUND", "{nobody}");
            let deleted = app.ask(Method::DELETE, &format!("{CONTACTS}/{nobody}")).send().await.expect(404);
            assert_eq!(deleted.json()["error"]["message"], "Contact not found.", "{nobody}");
        }
        app.get(CONTACTS).anonymous().send().await.expect(401);
    });
}
