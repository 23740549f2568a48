//! A search finds what comparing every event would find, wherever the index has the events.

#![allow(clippy::disallowed_methods, reason = "as many events as requests would take minutes")]

use chrono::TimeDelta;
use serde_json::json;
use sessionary::domain::{EventId, OrgId, Timestamp};
use sessionary::store::admin::AdminStore;
use sessionary::store::{CaptureFilter, Captures, Cursor, LogKind, PageLimit};
use sessionary::workers::captures::{index, note_backlog};
use uuid::Uuid;

use crate::support::agnost::{capture, dashboard, observed_with};
use crate::support::{DATABASE, TestApp, admin, connection, database_called, make_database, run, start, store};

/// Enough events for a block, and some more.
const MANY: i32 = 8_500;

const SEARCHES: [&str; 16] = [
    "refund of order 77",
    "ORDER 4242",
    "zebra",
    "退款",
    "系统退款",
    "fn main() {",
    "->unwrap()",
    "100%_sure",
    "Ärger",
    "äRGER",
    "naïve \"quoted\" text",
    "support",
    "\\u9000",
    "of order 4",
    "nothing has this",
    "款失败 ord",
];

/// Fills an organization as a binary without the index did: a few conversations, and their totals.
async fn fill(app: &TestApp) {
    let mut system = connection("sessionary_system", DATABASE).await;
    for statement in [
        "INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, detail, created_at, updated_at)
         SELECT $1, 1, md5($1::text || s)::uuid, 'conv-' || s, gen_random_uuid(), '{}', $3 + s * interval '1 minute', $3
           FROM generate_series(0, 9) AS s WHERE $2 > 0",
        "INSERT INTO captured_events (org_id, event_id, session_id, at, kind, name, success, latency_ms)
         SELECT $1, md5($1::text || '.' || n)::uuid, md5($1::text || n % 10)::uuid, $3 + n * interval '1 second', 'turn',
                'support', n % 7 > 0, 1
           FROM generate_series(1, $2) AS n",
        "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, author_id, content, payload,
                                     hidden, created_at)
         SELECT $1, 1, md5($1::text || n % 10)::uuid, n, md5($1::text || '.' || n)::uuid, 'turn', 'support',
                'Refund of order ' || n,
                json_build_object('result', CASE n % 1000 WHEN 1 THEN 'a Zebra' WHEN 2 THEN '系统退款失败 order'
                                                          WHEN 3 THEN 'fn main() { x->unwrap() }' WHEN 4 THEN '100%_sure'
                                                          WHEN 5 THEN 'viel ÄRGER' WHEN 6 THEN 'naïve \"quoted\" text'
                                                          WHEN 7 THEN '\"\\u9000\\u6b3e\"' ELSE 'done' END),
                false, $3
           FROM generate_series(1, $2) AS n",
    ] {
        sqlx::query(statement).bind(app.org).bind(MANY).bind(start()).execute(&mut system).await.expect("rows");
    }
    let admin = admin().await;
    let mut from = Timestamp::UNIX_EPOCH;
    while let Some(batch) = admin.rebuild_captured_totals(app.org, from).await.expect("totals") {
        from = batch.until;
    }
}

fn filter(search: &str) -> CaptureFilter {
    CaptureFilter {
        since: start(),
        names: Vec::new(),
        connection_types: Vec::new(),
        client_configs: Vec::new(),
        metadata: Vec::new(),
        search: Some(search.to_owned()),
    }
}

/// Returns all events that a search finds, page by page.
async fn found(captures: &Captures<'_>, search: &str, kind: LogKind) -> Vec<Uuid> {
    let (mut found, mut cursor): (Vec<Uuid>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = captures.log(&filter(search), kind, cursor, PageLimit::rows(700)).await.expect("a page");
        found.extend(page.rows.iter().map(|row| row.event_id));
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

/// Returns all events that contain a text as it is, or as JSON in ASCII.
async fn compared(org: OrgId, search: &str, kind: LogKind) -> Vec<Uuid> {
    let mut system = connection("sessionary_system", DATABASE).await;
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let ascii: String = serde_json::to_string(search)
        .expect("JSON")
        .trim_matches('"')
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let patterns = [search, &ascii].map(|text| format!("%{}%", escaped(text)));
    sqlx::query_scalar(
        "SELECT c.event_id FROM captured_events c
           JOIN session_events e ON e.org_id = c.org_id AND e.dialect = 1 AND e.event_id = c.event_id
          WHERE c.org_id = $1 AND (NOT $3 OR NOT c.success)
            AND (e.author_id ILIKE ANY ($2) OR e.content ILIKE ANY ($2) OR e.payload->>'result' ILIKE ANY ($2))
          ORDER BY c.at DESC, c.event_id DESC",
    )
    .bind(org)
    .bind(&patterns[..])
    .bind(kind == LogKind::Errors)
    .fetch_all(&mut system)
    .await
    .expect("rows")
}

async fn finds_what_is_there(app: &TestApp, state: &str) {
    let tenant = store().await.tenant(app.org);
    for search in SEARCHES {
        for kind in [LogKind::All, LogKind::Errors] {
            let compared = compared(app.org, search, kind).await;
            assert_eq!(found(&tenant.captures(), search, kind).await, compared, "{search}, {state}");
        }
    }
}

async fn count(table: &'static str, org: OrgId) -> i64 {
    let mut system = connection("sessionary_system", DATABASE).await;
    let statement =
        sqlx::AssertSqlSafe(format!("SELECT COALESCE(sum(size), 0)::bigint FROM {table} WHERE org_id = $1"));
    sqlx::query_scalar(statement).bind(org).fetch_one(&mut system).await.expect("a sum")
}

async fn bring_up_to_date(admin: &AdminStore) {
    note_backlog(admin).await.expect("noted");
    index(admin).await.expect("indexed");
}

#[test]
fn a_search_finds_the_same_before_while_and_after_events_are_indexed() {
    run(async {
        let app = TestApp::new().await;
        let admin = admin().await;
        fill(&app).await;
        finds_what_is_there(&app, "before").await;
        bring_up_to_date(admin).await;
        assert!(count("captured_blocks", app.org).await >= 8_192);
        finds_what_is_there(&app, "indexed").await;

        // Newer events are in no block.
        for (place, said) in ["another Zebra", "新的退款失败 order", "\"\\u9000\\u6b3e\""].into_iter().enumerate()
        {
            let at = (start() + TimeDelta::hours(5)).timestamp_millis() + place as i64;
            capture(&app, observed_with(json!({"args": said, "result": said, "timestamp": at}))).await;
        }
        let indexed = count("captured_blocks", app.org).await + count("captured_pending", app.org).await;
        assert_eq!(indexed, i64::from(MANY) + 3);
        finds_what_is_there(&app, "with newer ones").await;

        let stories = dashboard(&app, "user-stories", json!({"search": "order 4242", "time_range": "all"})).await;
        assert_eq!((&stories["total"], &stories["user_stories"][0]["session_id"]), (&json!(1), &json!("conv-2")));
        let stories = dashboard(&app, "user-stories", json!({"search": "onv-3", "time_range": "all"})).await;
        assert_eq!((&stories["total"], &stories["user_stories"][0]["session_id"]), (&json!(1), &json!("conv-3")));
        let stories = dashboard(&app, "user-stories", json!({"search": "no such text", "time_range": "all"})).await;
        assert_eq!(stories["total"], 0);

        // Deleted events leave no grams behind, and the others of their block are indexed again.
        let tenant = store().await.tenant(app.org);
        let gone: Vec<EventId> = compared(app.org, "zebra", LogKind::All).await.into_iter().map(EventId).collect();
        assert_eq!(admin.delete_captured_events(app.org, &gone).await.expect("deleted"), gone.len() as u64);
        assert_eq!(count("captured_blocks", app.org).await, 0);
        assert_eq!(found(&tenant.captures(), "zebra", LogKind::All).await, Vec::<Uuid>::new());
        bring_up_to_date(admin).await;
        let indexed = count("captured_blocks", app.org).await + count("captured_pending", app.org).await;
        assert_eq!(indexed, i64::from(MANY) + 3 - gone.len() as i64);
        finds_what_is_there(&app, "after deleting").await;
    });
}

/// In its own database, because other tests process noted organizations.
#[test]
fn organizations_with_events_outside_of_the_index_are_noted_in_batches() {
    const NAME: &str = "noted";
    run(async {
        make_database(NAME).await;
        let database = database_called(NAME).await;
        sessionary::store::migrate(&database).await.expect("a schema");
        let mut superuser = connection("postgres", NAME).await;
        // Nine organizations with three events: in folded totals or not, and in the index or not.
        for statement in [
            "INSERT INTO organizations (org_id, name, responder, created_at)
             SELECT md5(n::text)::uuid, n, '{\"kind\":\"none\"}', now() FROM generate_series(1, 9) AS n",
            "INSERT INTO captured_totals (org_id, daily, bucket, kind, name, shard, events, errors, latency_ms, latency_max)
             SELECT md5(n::text)::uuid, true, 'epoch', 'turn', 'a', 0, 2, 0, 0, 0 FROM generate_series(1, 9) AS n",
            "INSERT INTO captured_sums (org_id, monthly, bucket, kind, name, events, errors, latency_ms, latency_max)
             SELECT md5(n::text)::uuid, false, 'epoch', 'turn', '', 1, 0, 0, 0 FROM generate_series(1, 9) AS n",
            "INSERT INTO captured_blocks (org_id, block, size, oldest, newest, entries)
             SELECT md5(n::text)::uuid, gen_random_uuid(), 2, now(), now(), '' FROM generate_series(1, 6) AS n",
            "INSERT INTO captured_pending (org_id, pending, size, oldest, newest, entries, grams)
             SELECT md5(n::text)::uuid, gen_random_uuid(), 1, now(), now(), '', '' FROM generate_series(1, 5) AS n",
        ] {
            sqlx::query(statement).execute(&mut superuser).await.expect("rows");
        }
        let admin = AdminStore::connect(&database).await.expect("an administrator");
        let (mut noted, mut looked_at, mut after) = (0, Vec::new(), Uuid::nil());
        while let Some(batch) = admin.note_unindexed_events(after, 2).await.expect("a batch") {
            noted += batch.noted;
            after = batch.last;
            looked_at.push(after);
        }
        assert_eq!((noted, looked_at.len()), (4, 5));
        assert!(looked_at.is_sorted());
        let rows =
            "SELECT n FROM generate_series(1, 9) AS n JOIN captured_backlog ON org_id = md5(n::text)::uuid ORDER BY n";
        let rows: Vec<i32> = sqlx::query_scalar(rows).fetch_all(&mut superuser).await.expect("rows");
        assert_eq!(rows, [6, 7, 8, 9]);
        assert_eq!(note_backlog(&admin).await.expect("noted"), 0, "once is enough");
        admin.close().await;
    });
}

/// In a database of its own, because other tests index the organizations of theirs.
#[test]
fn organizations_with_enough_unindexed_events_are_found_batch_by_batch() {
    run(async {
        make_database("to_index").await;
        let database = database_called("to_index").await;
        sessionary::store::migrate(&database).await.expect("a schema");
        let admin = AdminStore::connect(&database).await.expect("an administrator");
        let mut superuser = connection("postgres", "to_index").await;
        let org = |n: u128| OrgId(Uuid::from_u128(n));
        // Rows, and events and bytes of each.
        for (n, rows, size, bytes) in [
            (1, 63, 100, 10),
            (2, 64, 100, 10),
            (3, 15, 512, 10),
            (4, 16, 512, 10),
            (5, 1, 8_192, 10),
            (6, 1, 1, 4 * 1024 * 1024),
            (7, 500, 1, 1),
            (8, 500, 512, 1),
            (9, 1, 1, 1),
        ] {
            sqlx::query(
                "INSERT INTO captured_pending (org_id, pending, size, oldest, newest, entries, grams)
                 SELECT $1, gen_random_uuid(), $3, $5, $5, '', convert_to(repeat('x', $4), 'UTF8')
                   FROM generate_series(1, $2)",
            )
            .bind(org(n).0)
            .bind(rows)
            .bind(size)
            .bind(bytes)
            .bind(start())
            .execute(&mut superuser)
            .await
            .expect("rows");
        }
        let due = [2, 4, 5, 6, 7, 8].map(org);
        for limit in [1, 2, 4, 9, 100] {
            let (mut found, mut after, mut batches) = (Vec::new(), OrgId(Uuid::nil()), 0);
            while let Some(batch) = admin.organizations_to_index(after, limit).await.expect("a batch") {
                assert!(batch.last > after);
                found.extend(batch.orgs);
                after = batch.last;
                batches += 1;
            }
            assert_eq!((found, batches), (due.to_vec(), (9 + limit - 1) / limit), "{limit}");
        }
        admin.close().await;
    });
}
