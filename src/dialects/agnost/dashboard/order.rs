//! The order of events that are shown together.
//!
//! Of events of the same millisecond, which is JavaScript's precision, a child is later than its parent; others are in
//! the order of their arrival.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::Timestamp;
use crate::store::CapturedRow;

/// The limit of ancestors of the same millisecond that are counted.
const MAX_TIED: usize = 100;

/// Sorts the events of a conversation by their time.
pub fn oldest_first(rows: &mut [CapturedRow]) {
    let above = above(rows);
    rows.sort_by_cached_key(|row| position(row, &above));
}

/// Sorts a page of the log in the reverse order.
pub fn newest_first(rows: &mut [CapturedRow]) {
    oldest_first(rows);
    rows.reverse();
}

type Above = HashMap<Uuid, (Timestamp, Option<Uuid>)>;

fn above(rows: &[CapturedRow]) -> Above {
    rows.iter().map(|row| (row.event_id, (row.at, row.parent_id))).collect()
}

/// Returns an event's time, the number of its ancestors of the same time, and its number.
fn position(row: &CapturedRow, above: &Above) -> (Timestamp, usize, i64, Uuid) {
    let ancestors = std::iter::successors(row.parent_id, |id| above.get(id)?.1);
    let is_tied = |id: &Uuid| above.get(id).is_some_and(|(at, _)| *at == row.at);
    // The number of ancestors is limited, because events can be each other's ancestors.
    (row.at, ancestors.take_while(is_tied).take(MAX_TIED).count(), row.number, row.event_id)
}
