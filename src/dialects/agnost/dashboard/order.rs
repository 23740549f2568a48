//! The order of events that are shown together.
//!
//! Of those of one millisecond, which is as exact as JavaScript is, an event is later than the one that led to it, and
//! else they are in the order in which they were taken in.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::Timestamp;
use crate::store::CapturedRow;

/// Ancestors of the same millisecond that are looked at.
const MAX_TIED: usize = 100;

/// Sorts the events of a conversation, as they are read.
pub fn oldest_first(rows: &mut [CapturedRow]) {
    let above = above(rows);
    rows.sort_by_cached_key(|row| place(row, &above));
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

/// Returns an event's time, how many events that led to it have the same, and its number.
fn place(row: &CapturedRow, above: &Above) -> (Timestamp, usize, i64, Uuid) {
    let ancestors = std::iter::successors(row.parent_id, |id| above.get(id)?.1);
    let is_tied = |id: &Uuid| above.get(id).is_some_and(|(at, _)| *at == row.at);
    // Events can lead to each other.
    (row.at, ancestors.take_while(is_tied).take(MAX_TIED).count(), row.number, row.event_id)
}
