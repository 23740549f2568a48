//! Which event led to which, as a flat list: a hierarchy can be deeper than a JSON reader goes.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::SpanRow;

/// An event in its hierarchy.
#[derive(Serialize, ToSchema)]
pub struct Span {
    event_id: String,
    id: Uuid,
    /// The UUID of its parent, which may not have arrived yet.
    parent_id: Option<Uuid>,
    /// The number of its ancestors in the response.
    depth: usize,
    kind: String,
    primitive_name: String,
    success: bool,
    latency: i64,
    timestamp: i64,
}

/// Sorts every event after its parent, and siblings by their time. An event whose parent is missing is at the top, and
/// so is the oldest event of a cycle. With `around`, returns only this event, its ancestors and its descendants, or
/// `None` if it is missing.
pub fn hierarchy(mut rows: Vec<SpanRow>, around: Option<Uuid>) -> Option<Vec<Span>> {
    rows.sort_by_key(|row| (row.at, row.number));
    let indices: HashMap<Uuid, usize> = rows.iter().enumerate().map(|(index, row)| (row.event_id, index)).collect();
    let parents: Vec<Option<usize>> =
        rows.iter().map(|row| row.parent_id.and_then(|parent| indices.get(&parent).copied())).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    for (index, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent {
            children[*parent].push(index);
        }
    }

    let mut order: Vec<(usize, usize)> = Vec::with_capacity(rows.len());
    let mut seen = vec![false; rows.len()];
    let tops = (0..rows.len()).filter(|index| parents[*index].is_none());
    // The second pass adds the cycles, which are not reachable from an event without a parent.
    for top in tops.chain(0..rows.len()) {
        let mut open = vec![(top, 0)];
        while let Some((index, depth)) = open.pop() {
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            order.push((index, depth));
            open.extend(children[index].iter().rev().map(|child| (*child, depth + 1)));
        }
    }

    let included = match around {
        None => None,
        Some(id) => Some(related(*indices.get(&id)?, &parents, &children)),
    };
    let mut rows: Vec<Option<SpanRow>> = rows.into_iter().map(Some).collect();
    let spans = order.into_iter().filter(|(index, _)| included.as_ref().is_none_or(|all| all.contains(index)));
    Some(spans.filter_map(|(index, depth)| Some(Span::of(rows[index].take()?, depth))).collect())
}

/// Returns the indices of an event, its ancestors and its descendants.
fn related(event: usize, parents: &[Option<usize>], children: &[Vec<usize>]) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut open = vec![event];
    while let Some(index) = open.pop() {
        if found.insert(index) {
            open.extend(&children[index]);
        }
    }
    let mut above = parents[event];
    while let Some(index) = above {
        above = if found.insert(index) { parents[index] } else { None };
    }
    found
}

impl Span {
    fn of(row: SpanRow, depth: usize) -> Self {
        Self {
            event_id: row.public_id.unwrap_or_else(|| row.event_id.to_string()),
            id: row.event_id,
            parent_id: row.parent_id,
            depth,
            kind: row.kind,
            primitive_name: row.name.unwrap_or_default(),
            success: row.success,
            latency: row.latency_ms,
            timestamp: row.at.timestamp_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use proptest::prelude::*;

    fn row(id: u128, parent: Option<u128>) -> SpanRow {
        SpanRow {
            event_id: Uuid::from_u128(id),
            public_id: None,
            parent_id: parent.map(Uuid::from_u128),
            number: id as i64,
            kind: "tool".to_owned(),
            name: None,
            success: true,
            latency_ms: 0,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn shape(rows: Vec<SpanRow>, around: Option<u128>) -> Option<Vec<(u128, usize)>> {
        let spans = hierarchy(rows, around.map(Uuid::from_u128))?;
        Some(spans.iter().map(|span| (span.id.as_u128(), span.depth)).collect())
    }

    #[test]
    fn children_follow_their_parents() {
        let rows =
            || vec![row(5, Some(1)), row(1, None), row(2, Some(1)), row(3, Some(2)), row(4, Some(99)), row(6, None)];
        assert_eq!(shape(rows(), None).unwrap(), [(1, 0), (2, 1), (3, 2), (5, 1), (4, 0), (6, 0)]);
        assert_eq!(shape(rows(), Some(2)).unwrap(), [(1, 0), (2, 1), (3, 2)]);
        assert_eq!(shape(rows(), Some(7)), None);
        let circle = vec![row(1, Some(2)), row(2, Some(1)), row(3, Some(3))];
        assert_eq!(shape(circle, None).unwrap(), [(1, 0), (2, 1), (3, 0)]);
    }

    proptest! {
        #[test]
        fn no_event_is_lost_or_doubled(parents in prop::collection::vec(prop::option::of(0u128..20), 0..20)) {
            let rows: Vec<SpanRow> = parents.iter().enumerate().map(|(id, parent)| row(id as u128, *parent)).collect();
            let mut ids: Vec<u128> = shape(rows, None).unwrap().into_iter().map(|(id, _)| id).collect();
            ids.sort_unstable();
            prop_assert_eq!(ids, (0..parents.len() as u128).collect::<Vec<_>>());
        }
    }
}
