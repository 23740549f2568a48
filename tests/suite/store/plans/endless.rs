//! Scans that neither a limit nor a key ends, and what bounds them.

use std::collections::{HashMap, HashSet};

use super::explain::Plan;
use super::statements::Statement;
use super::{READS_ALL, SMALL, is_listed};

/// Tables in which an organization has a bounded number of rows, or as many as users create by hand.
const TABLES: [(&str, &str); 11] = [
    ("agents", "agents are made by hand, and their lists are filtered row by row"),
    ("avatars", "avatars are made by hand, and their lists are filtered row by row"),
    ("avatar_images", "an avatar has one image"),
    ("organization_members", "an organization has 1,000 at most"),
    ("session_aliases", "a session has three at most"),
    ("agent_usage", "an agent has 32 rows at most"),
    ("usage_days", "a day has about 200 rows, and a window at most 400 days"),
    ("captured_totals", "a window has as many rows as it has hours, days and names"),
    ("captured_sums", "a window has as many rows as it has days, months and names"),
    ("captured_blocks", "a row per 8,192 events; searches read the newest ones first"),
    ("captured_pending", "rows are merged, and made a block of, as soon as there are enough"),
];

/// Fragments of other statements.
const STATEMENTS: [(&str, &str); 28] = [
    // By what a request names.
    ("NOT hidden", "the hidden events of one session are passed over"),
    ("AND created_at = $4", "the sessions of one millisecond"),
    (
        "AND created_at >= $7",
        "a search of contacts looks no farther than the last that was counted of the newest 10,000",
    ),
    ("(created_at, session_id) >= ($11, $12)", "a filtered list looks no farther than the window of 10,000"),
    ("(created_at, session_id) <= ($11, $12)", "a filtered list looks no farther than the window of 10,000"),
    ("(created_at, session_id) >= ($8, $9)", "living sessions are looked for within the window of 10,000"),
    (
        "JOIN captured_events c ON c.org_id = e.org_id",
        "each event of a conversation is captured, so that none is passed over",
    ),
    ("e.author_id = ANY ($7)", "conversations that are searched, 5,000 at most, and the time limit of a statement"),
    ("transaction < feed_horizon()", "the feed has no other dialect's entries"),
    // Figures.
    ("date_trunc('hour', at, 'UTC'), kind, name", "the events of the hour in which a window begins"),
    ("date_trunc('hour', at, 'UTC') AS hour", "dashboard rebuild compares the events of a few days"),
    // Workers and commands.
    ("UPDATE session_events SET number = number - $4", "sessions of at most 20,000 events are numbered anew"),
    ("UPDATE session_events e SET number = $4 + numbered.place", "sessions of at most 20,000 events are numbered anew"),
    ("DELETE FROM captured_traces t USING", "a trace is looked through up to the first span that stays"),
    ("WITH wrong AS (", "dashboard rebuild looks at a batch of sessions between two ids"),
    ("d.next_attempt_at <= $1)", "webhooks ask whether anything is due"),
    ("DELETE FROM webhook_deliveries WHERE org_id = $1 AND webhook_id", "the command line deletes a webhook"),
    ("NOT $2 OR failed_at IS NOT NULL", "the command line looks for failed deliveries, of seven days"),
    ("DELETE FROM captured_grams", "the blocks that a deleted event was in"),
    ("public_id = $2 OR session_id = $3", "the command line finds a session by any of its ids"),
    ("AND due_at IS NOT NULL AND scope = $3", "an organization has few erasures that are not done"),
    ("DELETE FROM api_key_hashes WHERE", "an organization's keys are made by hand"),
    ("DELETE FROM api_keys WHERE", "an organization's keys are made by hand"),
    ("DELETE FROM captured_recounts WHERE", "an organization has a row per day that changed"),
    ("DELETE FROM dashboard_settings WHERE", "an organization has a bounded number"),
    ("after::text, previous_hash, hash", "audit verify reads the whole log of an organization"),
    (
        "UPDATE audit_streams SET busy_until",
        "the index has only organizations with unsent entries, of which a worker leases one at a time",
    ),
    ("UPDATE api_key_hashes", "an organization's keys are made by hand"),
];

/// Returns the scans of growing tables that a large organization makes long, and the entries above that no scan needs.
pub fn faults(plans: &[(Statement, Plan)], keys: &HashMap<String, Vec<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut needed: HashSet<&str> = HashSet::new();
    for (statement, plan) in plans {
        for scan in plan.scans.iter().filter(|scan| !scan.is_bounded(keys)) {
            let entries = TABLES.iter().filter(|(table, _)| *table == scan.table);
            let entries = entries.chain(STATEMENTS.iter().filter(|(fragment, _)| statement.text.contains(fragment)));
            let entries: Vec<&str> = entries.map(|(name, _)| *name).collect();
            if entries.is_empty() && !is_listed(&SMALL, &scan.table) && !is_listed(&READS_ALL, &statement.text) {
                faults.push(format!("{}\n{scan:?} has no end", statement.text));
            }
            needed.extend(entries);
        }
    }
    let listed = TABLES.iter().chain(&STATEMENTS).map(|(name, _)| *name);
    faults.extend(listed.filter(|name| !needed.contains(name)).map(|name| format!("{name:?} is listed in vain")));
    faults
}
