//! A scan stops at its limit of bytes.

#![allow(clippy::disallowed_methods, reason = "as many bytes as requests would take minutes")]

use sessionary::store::{Breakdown, COMPARED_LIMIT, CaptureFilter, LogKind, OPENED_LIMIT, PageLimit, SCAN_BYTES};

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

/// Fills an organization with small captured events, a second apart.
async fn fill_small(app: &TestApp, count: i64) {
    let mut system = connection("sessionary_system", DATABASE).await;
    for statement in [
        "INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, detail, created_at, updated_at)
         SELECT $1, 1, md5($1::text)::uuid, 'small', gen_random_uuid(), '{}', $3, $3 WHERE $2 > 0",
        "INSERT INTO captured_events (org_id, event_id, session_id, at, kind, name, success, latency_ms)
         SELECT $1, md5($1::text || n)::uuid, md5($1::text)::uuid, $3 + n * interval '1 second', 'turn', 'a', true, 1
           FROM generate_series(1, $2) AS n",
        "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, content, payload, hidden,
                                     created_at)
         SELECT $1, 1, md5($1::text)::uuid, n, md5($1::text || n)::uuid, 'turn', 'a text', '{\"metadata\":{\"k\":\"v\"}}',
                false, $3 + n * interval '1 second'
           FROM generate_series(1, $2) AS n",
    ] {
        sqlx::query(statement).bind(app.org).bind(count).bind(start()).execute(&mut system).await.expect("rows");
    }
    let rebuilt = admin().await.rebuild_captured_totals(app.org, start()).await;
    assert!(rebuilt.expect("totals").is_some());
}

#[test]
fn a_scan_reads_fewer_rows_the_more_it_reads_of_each() {
    run(async {
        let app = TestApp::new().await;
        let count = OPENED_LIMIT + 500;
        fill_small(&app, count).await;
        let tenant = store().await.tenant(app.org);
        let filter = CaptureFilter {
            since: start(),
            names: Vec::new(),
            connection_types: Vec::new(),
            client_configs: Vec::new(),
            metadata: vec![("k".to_owned(), "v".to_owned())],
            search: None,
        };
        let figures = tenant.captures().figures(&filter, Breakdown::Days).await.expect("figures");
        let counted: i64 = figures.rows.iter().map(|figure| figure.events).sum();
        assert_eq!((counted, figures.complete), (OPENED_LIMIT, false));

        // Too short for the index; no event has it, so that the page ends where the scan does.
        let search =
            |text: &str| CaptureFilter { metadata: Vec::new(), search: Some(text.to_owned()), ..filter.clone() };
        let (mut cursor, mut pages) = (None, 0);
        loop {
            let page = tenant.captures().log(&search("q"), LogKind::All, cursor, PageLimit::rows(10)).await;
            let page = page.expect("a page");
            assert!(page.rows.is_empty());
            pages += 1;
            cursor = page.next;
            let Some(reached) = cursor else { break };
            let newest = start() + chrono::TimeDelta::seconds(count);
            assert_eq!((newest - reached.at).num_seconds(), (pages * COMPARED_LIMIT).min(count) - 1);
        }
        // Two full ones, one that reaches the end of the window, and an empty one.
        assert_eq!(pages, count / COMPARED_LIMIT + 2);
        let page = tenant.captures().log(&search("x"), LogKind::All, None, PageLimit::rows(10)).await.expect("a page");
        assert_eq!((page.rows.len(), page.total), (10, COMPARED_LIMIT));
    });
}
