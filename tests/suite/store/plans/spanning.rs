//! Statements that read or write rows of more than one organization, and why. Every other statement names its
//! organization for each table: `org_id = $1`.
//!
//! In a database that is distributed by organization, such a statement runs on one shard. These need a way of their own.

use std::collections::HashSet;

use super::explain::{Plan, Scan};
use super::statements::Statement;

/// Batches of the writers, and counts that are written together: rows of the organizations whose requests came at once.
const WRITERS: [&str; 51] = [
    "$7::bigint[], $8::bigint[], $9::bigint[],",
    "FROM UNNEST($1::uuid[], $2::uuid[], $3::integer[],",
    "WHERE NOT s.enabled",
    "WHERE n.org_id = vain.org_id",
    "JOIN captured_events c USING",
    "SET at = new.at, success",
    "SET parent_id = new.parent_id,",
    "UPDATE captured_events c SET",
    "UPDATE session_events e SET kind",
    "AS new (org_id, dialect, session_id, last_number, last_at)",
    "AS new (org_id, source_id,",
    r#"SELECT e.org_id AS "org_id!", e.event_id"#,
    "WHERE s.org_id = emptied.org_id",
    "JOIN captured_spans s",
    "LIMIT $3) s ON true",
    "ORDER BY t.org_id,",
    "RETURNING org_id, trace_id",
    "WHERE s.user_id = new.old_id",
    "AND c.last_number =",
    "s.user_id IS NULL AS",
    "ORDER BY new.org_id, new.dialect,",
    "RETURNING org_id, event_id",
    "WITH nameless AS (",
    "$8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::timestamptz[])",
    "AS wanted (org_id, dialect, session_id, event_id)",
    "ORDER BY c.org_id, c.dialect,",
    "SELECT org_id, ($20",
    "AS wanted (org_id, dialect, session_id, number)",
    "LEFT JOIN sessions",
    "$8::bytea[]) AS new",
    "WITH old AS MATERIALIZED",
    "k.answer IS NOT NULL",
    "ORDER BY k.org_id,",
    "SELECT org_id, sealed_under, sealed FROM data_keys WHERE org_id",
    "SELECT org_id, dialect, session_id, user_id",
    "WHERE a.org_id = gone.org_id",
    "CASE WHEN dialect =",
    "FROM inserted WHERE org_id",
    "LIMIT 1) agent ON true",
    "INSERT INTO session_erasures",
    "WHERE s.org_id = old.org_id",
    "AS wanted (org_id, dialect, session_id, place)",
    "), told_events AS (",
    "s.turn::text, s.last_change\n                 FROM UNNEST",
    "FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS wanted (org_id, dialect, session_id)\n             JOIN sessions s USING (org_id, dialect, session_id)\n            ORDER",
    "LEFT JOIN session_counters c ON",
    "SELECT org_id, ($19",
    "SELECT org_id, ($18",
    "SELECT org_id, bytes",
    "seconds = u.seconds",
    "AS new (org_id, day,",
];

/// Workers take what is due, of whichever organization.
const WORKERS: [&str; 41] = [
    "WHERE newest > sent",
    "WHERE org_id > $2 AND due_at <= $1 ORDER",
    r#"step::text AS "step!","#,
    "WHERE next_at <= $1",
    "AND (at <= $2 OR NOT",
    "WHERE arrived_at <=",
    "USING (SELECT u.* FROM",
    "SELECT org_id, 0, $2,",
    "SELECT org_id, dialect, session_id FROM",
    "AS changed (org_id,",
    "FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS due",
    "OR w.expiry_scan_after <=",
    "SELECT due.org_id AS",
    "SELECT org_id, ($4",
    "UPDATE session_expiries e",
    "WHERE e.org_id = o.org_id",
    "WHERE e.org_id = over.org_id",
    "INSERT INTO webhook_deliveries",
    "LIMIT 1) entry) AS",
    "ORDER BY w.feed_transaction,",
    "SELECT w.number AS",
    "UPDATE webhooks w SET",
    "WHERE disabled_at IS NOT",
    "WHERE expiry_scan_after >",
    "WHERE f.follower_id <>",
    "feed_place = 2147483647",
    r#"SELECT count(*) AS "due!","#,
    "SELECT w.webhook_id FROM",
    "SET next_attempt_at = NULL, failed_at = $2,",
    "SET queued_at = $2,",
    "WHERE queued_at <= $1 AND next_attempt_at IS",
    "LIMIT $4 FOR UPDATE",
    "UPDATE webhook_deliveries d SET",
    "w.webhook_id = ANY",
    "FROM empty CROSS JOIN",
    "untimed = s.untimed",
    "ON CONFLICT (org_id, day)",
    "SELECT org_id, day FROM",
    "SELECT events FROM",
    "SELECT org_id, at,",
    "FROM (SELECT size,",
];

/// Commands of operators, and look-ups of what is named by an id alone.
const COMMANDS: [&str; 18] = [
    "FROM api_key_hashes x",
    "JOIN api_keys k ON k.org_id = o.org_id",
    "SELECT org_id FROM organizations WHERE disabled_at",
    "FROM erasures WHERE erasure_id",
    "SELECT disabled_at IS",
    r#"SELECT 1 AS "one!" FROM session_user_backfills"#,
    "SELECT org_id, key_id",
    "WHERE t.token_hash =",
    "SELECT org_id, name, external_id, created_at, disabled_at FROM organizations ORDER",
    "SELECT responder FROM",
    "WHERE (created_at, org_id)",
    "FROM webhooks w CROSS",
    "GROUP BY sealed_under",
    "SELECT DISTINCT ON",
    "SELECT org_id, sealed_under, sealed FROM data_keys WHERE sealed_under",
    "WHERE secret NOT LIKE",
    "RETURNING org_id, url,",
    "SELECT org_id, url,",
];

/// Returns statements that read or write rows of several organizations and are not listed, and what is listed in vain.
/// `tables` are those with a column `org_id`.
pub fn faults(plans: &[(Statement, Plan)], tables: &HashSet<String>) -> Vec<String> {
    let is_unpinned = |scan: &&Scan| tables.contains(&scan.table) && !scan.is_of_one_organization();
    let fragments = [&WRITERS[..], &WORKERS, &COMMANDS].concat();
    let mut found: HashSet<&str> = HashSet::new();
    let mut faults = Vec::new();
    for (statement, plan) in plans {
        let scan = plan.scans.iter().find(is_unpinned);
        if scan.is_none() && !has_a_list_of_organizations(&statement.text) {
            continue;
        }
        let listed = fragments.iter().copied().filter(|fragment| statement.text.contains(fragment)).collect::<Vec<_>>();
        if listed.is_empty() {
            faults.push(format!("{}\n{scan:?} is of several organizations", statement.text));
        }
        found.extend(listed);
    }
    let unused = fragments.iter().filter(|fragment| !found.contains(*fragment));
    faults.extend(unused.map(|fragment| format!("no statement of several organizations contains {fragment:?}")));
    faults
}

/// Returns whether a statement unpacks a list whose rows each name an organization.
fn has_a_list_of_organizations(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let names_organizations = |at: usize| words.get(at + 2).is_some_and(|columns| columns.starts_with("(org_id"));
    // `INSERT INTO table AS alias (org_id, …` has a list of columns.
    let is_insert = |at: usize| at >= 2 && words[at - 2] == "INTO";
    (0..words.len()).any(|at| words[at] == "AS" && names_organizations(at) && !is_insert(at))
}
