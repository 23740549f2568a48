//! Sessions of every dialect.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::domain::DialectName;

use crate::support::{TestApp, agent_key, agnost, agntix, integer_id, messaging};

pub const SESSIONS: &str = "/sessionary/v1/sessions";

/// Creates a session of a dialect. Returns its vendor's id.
pub async fn begin(app: &TestApp, dialect: DialectName) -> String {
    match dialect {
        DialectName::Agnost => {
            let id = app.mint.uuid().to_string();
            let body = json!({"session_id": id, "user_data": {"user_id": "ann"}, "connection_type": "sdk"});
            app.post(agnost::CAPTURE_SESSION, body.to_string()).send().await.expect(200);
            id
        }
        DialectName::Agntix => agntix::create(app, "").await,
        DialectName::AgentKey => {
            agent_key::session(app, &format!("s_{}", app.mint.hex(8)), &json!({})).await.member("key")
        }
        DialectName::Messaging => messaging::create(app, "").await,
        DialectName::IntegerId => integer_id::start_session(app, "").await.to_string(),
    }
}

/// Creates a session of each dialect, a second apart. Returns their vendors' ids in the order of the dialects.
pub async fn begin_all(app: &TestApp) -> Vec<String> {
    let mut ids = Vec::new();
    for dialect in DialectName::ALL {
        app.clock.advance(TimeDelta::seconds(1));
        ids.push(begin(app, dialect).await);
    }
    ids
}

/// Sends a message to a session of a dialect. An agent replies.
pub async fn say(app: &TestApp, dialect: DialectName, id: &str, text: &str) {
    use crate::support::talk::Talk;
    let talk = match dialect {
        DialectName::Agnost => {
            let members = json!({"session_id": id, "event_id": app.mint.uuid(), "args": text, "result": "there"});
            agnost::capture(app, agnost::event_with(members)).await;
            return;
        }
        DialectName::Agntix => Talk::Agntix,
        DialectName::AgentKey => Talk::AgentKey,
        DialectName::Messaging => Talk::Messaging,
        DialectName::IntegerId => Talk::IntegerId,
    };
    talk.say(app, id, text).send().await.expect(talk.replied());
}

/// Returns the session with this vendor's id, as the list has it.
pub async fn called(app: &TestApp, vendor_id: &str) -> Value {
    let list = app.get(&format!("{SESSIONS}?limit=100")).send().await.expect(200).json();
    let rows = list["data"].as_array().expect("rows");
    rows.iter().find(|row| row["vendor_id"] == vendor_id).unwrap_or_else(|| panic!("no {vendor_id} in {list}")).clone()
}

/// Returns the path of the session with this vendor's id, or of something below it.
pub async fn path_of(app: &TestApp, vendor_id: &str, below: &str) -> String {
    let session = called(app, vendor_id).await;
    format!("{SESSIONS}/{}{below}", session["id"].as_str().expect("an id"))
}

/// Returns a member of each row of all pages of a list, which must each have the limit's number of rows at most.
pub async fn walk(app: &TestApp, path: &str, limit: usize, member: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for _ in 0..1_000 {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = app.get(&format!("{path}{joint}limit={limit}{cursor}")).send().await.expect(200);
        let link = page.header("link").map(str::to_owned);
        let page = page.json();
        let rows = page["data"].as_array().expect("rows");
        assert!(rows.len() <= limit);
        all.extend(rows.iter().map(|row| row[member].as_str().map_or_else(|| row[member].to_string(), str::to_owned)));
        let Some(next) = page["next_cursor"].as_str() else {
            assert_eq!(link, None);
            return all;
        };
        assert!(link.is_some_and(|link| link.contains(next) && link.ends_with(r#"rel="next""#)));
        cursor = format!("&cursor={next}");
    }
    panic!("{path} never ends");
}
