//! Every list of every dialect has pages of at most 4 MiB, with a cursor to the next page.

use std::collections::HashSet;

use http::Method;
use serde_json::{Value, json};
use sessionary::domain::{DialectName, SessionId};
use sessionary::http::ResponseLimits;
use sessionary::store::{Change, FeedPlace, MAX_PAGE_BYTES};

use crate::support::agnost::{CAPTURE_SESSION, SESSION, ask};
use crate::support::{LARGE, Reply, Setup, TestApp, admin, agent_key, agntix, integer_id, messaging, run, start};

/// Rows of each list.
const ROWS: i32 = 12;

/// A list: its request and its response.
struct List<'l> {
    method: Method,
    path: &'l str,
    /// The body of a POST.
    body: Value,
    /// The pointer to the rows in the response, and their unique member.
    rows: &'l str,
    id: &'l str,
    /// The cursor in the response: a pointer, or the name of a header.
    next: &'l str,
    /// The name of the cursor in the request.
    cursor: &'l str,
}

impl<'l> List<'l> {
    fn get(path: &'l str, rows: &'l str, id: &'l str, next: &'l str, cursor: &'l str) -> Self {
        Self { method: Method::GET, path, body: Value::Null, rows, id, next, cursor }
    }

    fn dashboard(route: &'l str, body: Value, rows: &'l str, id: &'l str, next: &'l str) -> Self {
        Self { method: Method::POST, path: route, body, rows, id, next, cursor: "cursor" }
    }

    async fn page(&self, app: &TestApp, cursor: Option<&str>) -> Reply {
        if self.method == Method::POST {
            let mut body = self.body.clone();
            if let Some(cursor) = cursor {
                body[self.cursor] = json!(cursor);
            }
            return ask(app, self.path, &body).send().await.expect(200);
        }
        let joint = if self.path.contains('?') { '&' } else { '?' };
        let query = cursor.map_or_else(String::new, |cursor| format!("{joint}{}={cursor}", self.cursor));
        app.get(&format!("{}{query}", self.path)).send().await.expect(200)
    }

    fn next_of(&self, page: &Reply) -> Option<String> {
        if !self.next.starts_with('/') {
            return page.header(self.next).map(str::to_owned);
        }
        match page.json().pointer(self.next)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Returns the rows of all pages in their order, and checks the bytes of each page.
    async fn walk(&self, app: &TestApp) -> Vec<String> {
        let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = self.page(app, cursor.as_deref()).await;
            assert!(page.bytes.len() <= MAX_PAGE_BYTES, "{} returns {} bytes", self.path, page.bytes.len());
            let body = page.json();
            let rows = body.pointer(self.rows).and_then(Value::as_array).expect("rows");
            all.extend(rows.iter().map(|row| row[self.id].to_string()));
            pages += 1;
            assert!(pages <= 2 * ROWS, "{} never ends", self.path);
            match self.next_of(&page) {
                // A list may return a cursor after its last row.
                Some(_) if rows.is_empty() => break,
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert!(pages > 2, "{} is not cut", self.path);
        all
    }

    async fn has_each_row_once(&self, app: &TestApp, rows: i32) {
        let all = self.walk(app).await;
        let unique: HashSet<&String> = all.iter().collect();
        assert_eq!(unique.len(), all.len(), "{} repeats rows", self.path);
        assert_eq!(all.len(), usize::try_from(rows).expect("a count"), "{}", self.path);
    }
}

/// Returns a service whose organization may read all of these lists at once.
async fn app() -> TestApp {
    let responses = ResponseLimits { burst: u32::MAX, ..ResponseLimits::default() };
    TestApp::with(Setup { responses, ..Setup::default() }).await
}

fn captured_session(id: &str) -> String {
    let user = json!({ "user_id": "ann" });
    json!({
        "session_id": id, "user_data": user, "connection_type": "sdk", "client_config": "client", "metadata": {},
        "tools": [],
    })
    .to_string()
}

#[test]
fn agnosts_lists_are_cut() {
    run(async {
        let app = app().await;
        for place in 0..ROWS {
            let session = if place == 0 { SESSION.to_owned() } else { format!("large-{place}") };
            app.post(CAPTURE_SESSION, captured_session(&session)).send().await.expect(200);
            app.post("/dashboard/api/dashboard/charts", "{}").send().await.expect(201);
        }
        app.fill_events(SESSION, "tool", r#"{"args":"LARGE"}"#, ROWS).await;
        // These events were not written by the service, which counts what it writes.
        let rebuilt = admin().await.rebuild_captured_totals(app.org, start()).await;
        assert!(rebuilt.expect("totals").is_some());
        app.swell_others().await;
        let all = json!({ "time_range": "all", "page_size": 1_000 });
        let search = json!({ "time_range": "all", "page_size": 1_000, "query": "large" });
        for list in [
            List::dashboard("raw-logs", all.clone(), "/logs", "id", "/next_cursor"),
            List::dashboard("errors", all.clone(), "/logs", "id", "/next_cursor"),
            List::dashboard("spotlight-search", search, "/logs", "id", "/next_cursor"),
            List::dashboard(
                "conversation-messages",
                json!({ "conversation_id": SESSION }),
                "/messages",
                "id",
                "/next_cursor",
            ),
            List::dashboard(
                "conversation-detail",
                json!({ "conversation_id": SESSION }),
                "/messages/messages",
                "id",
                "/messages/next_cursor",
            ),
            List::get("/dashboard/api/dashboard/charts", "", "id", "x-next-cursor", "cursor"),
        ] {
            list.has_each_row_once(&app, ROWS).await;
        }
        // A numbered page begins where it would without the limit of bytes.
        let page = json!({ "time_range": "all", "page_size": 6, "page": 2 });
        let second = ask(&app, "raw-logs", &page).send().await.expect(200).json();
        let walked = List::dashboard("raw-logs", all.clone(), "/logs", "id", "/next_cursor").walk(&app).await;
        assert_eq!((second["logs"][0]["id"].to_string(), second["total"].as_i64()), (walked[6].clone(), Some(12)));

        app.swell_sessions(DialectName::Agnost).await;
        let stories = List::dashboard("user-stories", all.clone(), "/user_stories", "session_id", "/next_cursor");
        stories.has_each_row_once(&app, ROWS).await;
        for route in ["command-center-summary", "tools-dashboard", "conversation-messages", "conversation-detail"] {
            let mut body = all.clone();
            body["conversation_id"] = json!(SESSION);
            let reply = ask(&app, route, &body).send().await.expect(200);
            assert!(reply.bytes.len() <= MAX_PAGE_BYTES, "{route} returns {} bytes", reply.bytes.len());
        }
    });
}

#[test]
fn spans_are_cut_and_gone_on_from() {
    run(async {
        let app = app().await;
        app.post(CAPTURE_SESSION, captured_session(SESSION)).send().await.expect(200);
        app.fill_events(SESSION, "tool", "{}", ROWS).await;
        app.name_events(LARGE).await;
        let body = json!({ "conversation_id": SESSION });
        let list = List::dashboard("conversation-spans", body, "/spans", "id", "/next_cursor");
        list.has_each_row_once(&app, ROWS).await;
        assert_eq!(list.page(&app, None).await.json()["complete"], json!(false));
    });
}

#[test]
fn agntixs_lists_are_cut() {
    run(async {
        let app = app().await;
        for place in 0..ROWS {
            agntix::create(&app, r#""metadata":{}"#).await;
            let contact = json!({ "name": format!("c{place}") }).to_string();
            app.post("/v1/chat/contacts", contact).send().await.expect(201);
            app.add_agent().await;
        }
        app.fill_keys(ROWS / 3).await;
        let talk = agntix::create(&app, "").await;
        app.fill_events(&talk, "USER", "{}", ROWS).await;
        app.swell_sessions(DialectName::Agntix).await;
        app.swell_others().await;
        let messages = agntix::path_of(&talk, "/messages?limit=100");
        let next = "/pagination/nextCursor";
        for (list, rows) in [
            (List::get(&messages, "/data", "id", next, "cursor"), ROWS),
            (List::get("/v1/chat/chat/sessions?limit=100", "/data", "id", next, "cursor"), ROWS + 1),
            (List::get("/v1/chat/chat/sessions?limit=100&sort=createdAt:asc", "/data", "id", next, "cursor"), ROWS + 1),
            (List::get("/v1/chat/contacts?limit=100", "/data", "id", next, "cursor"), ROWS),
            (List::get("/v2/chat/agents?limit=100", "/data", "id", next, "cursor"), ROWS + 2),
            (List::get("/v1/chat/api-keys", "/data", "id", "/nextCursor", "cursor"), ROWS + 1),
        ] {
            list.has_each_row_once(&app, rows).await;
        }
        let second = app.get(&agntix::path_of(&talk, "/messages?limit=6&page=2")).send().await.expect(200).json();
        let walked = List::get(&messages, "/data", "id", next, "cursor").walk(&app).await;
        assert_eq!(
            (second["data"][0]["id"].to_string(), &second["pagination"]["total"]),
            (walked[6].clone(), &json!(ROWS))
        );
        for cursor in ["x", "0.ffffffff-ffff-ffff-ffff-ffffffffffff"] {
            app.get(&format!("{messages}&cursor={cursor}")).send().await.expect(400);
        }
        // A file has all of them, whatever the number of pages.
        let file = app.get("/v1/chat/chat/sessions/download/csv?sort=updatedAt:desc").send().await.expect(200);
        assert_eq!(file.text().matches("\r\n").count(), 1 + usize::try_from(ROWS + 1).expect("a count"));
    });
}

#[test]
fn the_own_apis_lists_are_cut() {
    run(async {
        let app = app().await;
        for _ in 0..ROWS {
            agntix::create(&app, r#""metadata":{}"#).await;
        }
        let talk = agntix::create(&app, "").await;
        app.fill_sized_events(&talk, ("USER", "{}"), ROWS, LARGE / 2).await;
        let talk = SessionId::from_agntix(&talk).expect("an id");
        let events = format!("/sessionary/v1/sessions/agntix_{}/events?limit=100", talk.0.simple());
        app.swell_sessions(DialectName::Agntix).await;
        for (path, id, rows) in [
            ("/sessionary/v1/sessions?limit=100", "id", ROWS + 1),
            ("/sessionary/v1/sessions?limit=100&order=oldest", "id", ROWS + 1),
            ("/sessionary/v1/sessions?limit=100&state=open", "id", ROWS + 1),
            ("/sessionary/v1/search?limit=100&q=ddd", "session", ROWS + 1),
            (&events, "id", ROWS),
            (&format!("{events}&order=newest"), "id", ROWS),
        ] {
            List::get(path, "/data", id, "/next_cursor", "cursor").has_each_row_once(&app, rows).await;
        }
    });
}

#[test]
fn the_feed_is_read_in_batches_of_so_many_bytes() {
    run(async {
        let app = app().await;
        let tenant = app.tenant().await;
        let mut place: FeedPlace = tenant.feed().now().await.expect("a place");
        for _ in 0..ROWS {
            agntix::create(&app, "").await;
        }
        let talk = agntix::create(&app, "").await;
        app.fill_events(&talk, "USER", "{}", ROWS).await;
        app.tell_of_events(&talk).await;
        app.swell_sessions(DialectName::Agntix).await;
        let (mut told, mut batches) = (0, 0);
        loop {
            let (changes, last) = tenant.feed().after(place, Some(DialectName::Agntix), 100).await.expect("changes");
            let bytes: usize = changes.iter().map(|(_, change)| size_of(change)).sum();
            assert!(bytes <= MAX_PAGE_BYTES, "{bytes} bytes");
            told += changes.len();
            if last == place {
                break;
            }
            batches += 1;
            place = last;
        }
        assert_eq!(told, usize::try_from(2 * ROWS + 1).expect("a count"));
        assert!(batches > 8, "{batches} batches");
    });
}

fn size_of(change: &Change) -> usize {
    let metadata = |session: &sessionary::domain::Session| session.metadata.as_ref().map_or(0, |m| m.as_str().len());
    match change {
        Change::Started(session) | Change::Updated(session) | Change::Ended(session) => metadata(session),
        Change::Appended(session, event) => metadata(session) + event.content.as_ref().map_or(0, String::len),
    }
}

#[test]
fn vectaras_lists_are_cut() {
    run(async {
        let app = app().await;
        for place in 0..ROWS {
            agent_key::session(&app, &format!("s{place}"), &json!({})).await;
            app.add_agent().await;
        }
        app.fill_events("s0", "input_message", r#"{"messages":[{"type":"text","content":"LARGE"}]}"#, ROWS).await;
        app.swell_sessions(DialectName::AgentKey).await;
        app.swell_others().await;
        let key = "/metadata/page_key";
        let events = agent_key::events_of("s0", "?limit=100");
        let sessions = format!("{}?limit=100", agent_key::SESSIONS);
        for (path, rows, id, count) in [
            (events.as_str(), "/events", "id", ROWS),
            (&sessions, "/sessions", "key", ROWS),
            (&format!("{sessions}&filter=."), "/sessions", "key", ROWS),
            (&format!("{sessions}&metadata_filter=x%20IS%20NOT%20NULL"), "/sessions", "key", ROWS),
            ("/v2/agents?limit=100", "/agents", "key", ROWS + 2),
            ("/v2/agents?limit=100&filter=.", "/agents", "key", ROWS + 2),
        ] {
            List::get(path, rows, id, key, "page_key").has_each_row_once(&app, count).await;
        }
    });
}

#[test]
fn elizaoss_lists_are_cut() {
    run(async {
        let app = app().await;
        for _ in 0..ROWS {
            messaging::create(&app, "").await;
        }
        let talk = messaging::create(&app, "").await;
        app.fill_events(&talk, "user", "{}", ROWS).await;
        let messages = messaging::path_of(&talk, "/messages?limit=100");
        List::get(&messages, "/messages", "id", "/cursors/before", "before").has_each_row_once(&app, ROWS).await;
        // Forward, `after` continues as long as there is more.
        let (mut after, mut seen) = (json!(1), HashSet::new());
        loop {
            let page = app.get(&format!("{messages}&after={after}")).send().await.expect(200);
            assert!(page.bytes.len() <= MAX_PAGE_BYTES, "{} bytes", page.bytes.len());
            let page = page.json();
            for message in page["messages"].as_array().expect("messages") {
                assert!(seen.insert(message["id"].to_string()), "{} twice", message["id"]);
            }
            after = page["cursors"]["after"].clone();
            if page["hasMore"] != json!(true) {
                break;
            }
        }
        assert_eq!(seen.len(), usize::try_from(ROWS).expect("a count"));
        app.swell_sessions(DialectName::Messaging).await;
        let sessions = List::get(messaging::SESSIONS, "/sessions", "sessionId", "/nextCursor", "cursor");
        sessions.has_each_row_once(&app, ROWS + 1).await;
        // The metadata of a session is shown with each message.
        let shown = app.get(&messaging::path_of(&talk, "/messages?limit=100")).send().await.expect(200);
        assert!(shown.bytes.len() <= MAX_PAGE_BYTES, "{} bytes", shown.bytes.len());
    });
}

#[test]
fn agent_humans_lists_are_cut() {
    run(async {
        let app = app().await;
        for _ in 0..ROWS {
            integer_id::start_session(&app, "").await;
            app.add_agent().await;
        }
        app.fill_avatars(ROWS).await;
        let talk = integer_id::start_session(&app, "").await;
        app.fill_events(&talk.to_string(), "user", "{}", ROWS).await;
        app.swell_sessions(DialectName::IntegerId).await;
        app.swell_others().await;
        let messages = format!("{}/{talk}/messages", integer_id::SESSIONS);
        for (path, rows, id, next, count) in [
            (messages.as_str(), "/messages", "message_id", "/next_cursor", ROWS),
            (integer_id::SESSIONS, "/sessions", "session_id", "/next_cursor", ROWS + 1),
            (integer_id::AGENTS, "/agents", "agent_id", "/next_cursor", ROWS + 2),
            (integer_id::AVATARS, "", "id", "x-next-cursor", ROWS + 1),
        ] {
            List::get(path, rows, id, next, "cursor").has_each_row_once(&app, count).await;
        }
    });
}
