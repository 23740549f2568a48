//! A scan stops at its limit of bytes.

#![allow(clippy::disallowed_methods, reason = "as many bytes as requests would take minutes")]

use sessionary::store::{CaptureFilter, LogKind, PageLimit, SCAN_BYTES};

use crate::support::{DATABASE, TestApp, admin, connection, run, start, store};

/// Fills an organization with captured events of a mebibyte that cannot be compressed much, a second apart.
async fn fill(app: &TestApp, count: i32) {
    let mut system = connection("sessionary_system", DATABASE).await;
    for statement in [
        "INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, detail, created_at, updated_at)
         SELECT $1, 1, md5($1::text)::uuid, 'large', gen_random_uuid(), '{}', $3, $3 WHERE $2 > 0",
        "INSERT INTO captured_events (org_id, event_id, session_id, at, kind, name, success, latency_ms)
         SELECT $1, md5($1::text || n)::uuid, md5($1::text)::uuid, $3 + n * interval '1 second', 'turn', 'a', true, 1
           FROM generate_series(1, $2) AS n",
        "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, content, payload, hidden,
                                     created_at)
         SELECT $1, 1, md5($1::text)::uuid, n, md5($1::text || n)::uuid, 'turn', random.text, '{}', false,
                $3 + n * interval '1 second'
           FROM generate_series(1, $2) AS n,
                LATERAL (SELECT string_agg(md5(n::text || '.' || i), '') AS text FROM generate_series(1, 32768) i) random",
    ] {
        sqlx::query(statement).bind(app.org).bind(count).bind(start()).execute(&mut system).await.expect("rows");
    }
    let rebuilt = admin().await.rebuild_captured_totals(app.org, start()).await;
    assert!(rebuilt.expect("totals").is_some());
}

#[test]
fn a_search_stops_where_its_bytes_are_used_up_and_goes_on_from_there() {
    run(async {
        let app = TestApp::new().await;
        let count = 80;
        fill(&app, count).await;
        let filter = CaptureFilter {
            since: start(),
            names: Vec::new(),
            connection_types: Vec::new(),
            client_configs: Vec::new(),
            metadata: Vec::new(),
            search: Some("does not occur".to_owned()),
        };
        let tenant = store().await.tenant(app.org);
        let (mut cursor, mut scans) = (None, 0);
        loop {
            let page = tenant.captures().log(&filter, LogKind::All, cursor, PageLimit::rows(10)).await.expect("a page");
            assert!(page.rows.is_empty());
            scans += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            assert!(scans < 100, "the search does not get on");
        }
        // A mebibyte of hexadecimal digits is stored in about half of it.
        let fewest = i64::from(count) * 1024 * 1024 / 4 / SCAN_BYTES;
        assert!(scans > fewest.max(1), "{scans} scans");

        // Without a search, the filter needs no payloads.
        let everything = CaptureFilter { search: None, ..filter };
        let page = tenant.captures().log(&everything, LogKind::All, None, PageLimit::rows(1)).await.expect("a page");
        assert_eq!(page.total, i64::from(count));
    });
}
