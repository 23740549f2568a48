//! Deleted data is erased: the rows of sessions, and their messages.
//!
//! The clocks of these tests go back a day, so that the worker finds nothing that other tests have deleted.

use chrono::TimeDelta;
use http::Method;
use serde_json::json;
use sessionary::workers::erasure::{SETTLED_AFTER, erase};

use crate::support::{DATABASE, MESSAGING_AGENT_ID, TestApp, admin, agent_key, connection, messaging, run};

const WORD: &str = "erase-me";

async fn app() -> TestApp {
    let app = TestApp::new().await;
    app.clock.advance(TimeDelta::days(-1));
    app
}

/// Returns every tenant table in which a row of the organization contains the word, in any column.
#[expect(clippy::disallowed_methods, reason = "no part of the service looks through all tables")]
async fn tables_with_word(app: &TestApp) -> Vec<String> {
    let mut connection = connection("sessionary_system", DATABASE).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.table_name::text FROM information_schema.columns c JOIN information_schema.tables t
                USING (table_schema, table_name)
          WHERE c.table_schema = 'public' AND c.column_name = 'org_id' AND t.table_type = 'BASE TABLE' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .expect("tables");
    assert!(tables.iter().any(|table| table == "session_events"), "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let rows = format!("SELECT count(*) FROM {table} t WHERE org_id = $1 AND t::text LIKE '%{WORD}%'");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
            .bind(app.org.0)
            .fetch_one(&mut connection)
            .await
            .unwrap_or_default();
        if rows > 0 {
            found.push(table);
        }
    }
    found
}

#[test]
fn nothing_of_a_deleted_session_stays() {
    run(async {
        let app = app().await;
        let metadata = json!({ "note": WORD });
        agent_key::session(&app, WORD, &json!({ "description": WORD, "metadata": metadata })).await;
        let kept = agent_key::session(&app, "kept", &json!({})).await;
        for key in [WORD, "kept"] {
            agent_key::say(&app, key, "hello").send().await.expect(201);
        }
        agent_key::say(&app, WORD, WORD).send().await.expect(201);
        let create =
            format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{}","metadata":{metadata}}}"#, app.mint.uuid());
        let id = app.post(messaging::SESSIONS, create).send().await.expect(201).member("sessionId");
        let message = json!({ "content": WORD, "metadata": metadata });
        app.post(&messaging::path_of(&id, "/messages"), message.to_string()).send().await.expect(201);
        app.conversations.close().await;
        assert_eq!(tables_with_word(&app).await, ["session_events", "sessions"]);

        app.ask(Method::DELETE, &format!("{}/{WORD}", agent_key::SESSIONS)).send().await.expect(204);
        app.ask(Method::DELETE, &messaging::path_of(&id, "")).send().await.expect(200);
        erase(admin().await, app.clock.now()).await.expect("the database");
        assert_eq!(tables_with_word(&app).await, [""; 0]);

        // The other session is unchanged, and the key is free.
        assert_eq!(
            app.get(&format!("{}/kept", agent_key::SESSIONS)).send().await.expect(200).json()["name"],
            kept.json()["name"]
        );
        assert_eq!(agent_key::kinds(&app, "kept", "").await.len(), 2);
        for _ in 0..2 {
            agent_key::session(&app, WORD, &json!({})).await;
            agent_key::say(&app, WORD, "again").send().await.expect(201);
            assert_eq!(agent_key::kinds(&app, WORD, "").await.len(), 2);
            app.ask(Method::DELETE, &format!("{}/{WORD}", agent_key::SESSIONS)).send().await.expect(204);
            erase(admin().await, app.clock.now()).await.expect("the database");
        }
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a reply in progress at this moment is hard to come by")]
fn long_sessions_are_deleted_in_batches_and_what_comes_late_goes_too() {
    run(async {
        let app = app().await;
        agent_key::session(&app, "long", &json!({})).await;
        app.fill_sized_events("long", ("input_message", &format!(r#"{{"text":"{WORD}"}}"#)), 2_500, 10).await;
        let row = app.session_called("long").await;
        app.ask(Method::DELETE, &format!("{}/long", agent_key::SESSIONS)).send().await.expect(204);
        let (admin, now) = (admin().await, app.clock.now());
        erase(admin, now).await.expect("the database");
        assert_eq!(admin.events(&row, 0, 10).await.expect("events").len(), 0);

        // A reply that was in progress is stored after that.
        let late =
            "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, content, created_at)
                    VALUES ($1, $2, $3, 9999, $4, 'agent_output', $5, now())";
        let mut connection = connection("sessionary_system", DATABASE).await;
        let late = sqlx::query(late).bind(row.org_id).bind(row.dialect).bind(row.session_id);
        late.bind(app.mint.uuid()).bind(WORD).execute(&mut connection).await.expect("a late event");
        erase(admin, now + SETTLED_AFTER - TimeDelta::seconds(1)).await.expect("the database");
        assert_eq!(tables_with_word(&app).await, ["session_events"]);
        erase(admin, now + SETTLED_AFTER).await.expect("the database");
        assert_eq!(tables_with_word(&app).await, [""; 0]);
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM session_erasures WHERE org_id = $1")
            .bind(row.org_id)
            .fetch_one(&mut connection)
            .await
            .expect("a count");
        assert_eq!(left, 0);
    });
}

#[test]
fn a_deleted_agent_leaves_its_name_and_nothing_else() {
    run(async {
        let app = app().await;
        let members = json!({ "description": WORD, "metadata": { "note": WORD } });
        agent_key::agent(&app, "other", &members).await;
        assert_eq!(tables_with_word(&app).await, ["agents"]);
        app.ask(Method::DELETE, "/v2/agents/other").send().await.expect(204);
        assert_eq!(tables_with_word(&app).await, [""; 0]);
    });
}
