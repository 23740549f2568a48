//! The sessions of one user over several dialects, which are looked at along the index `sessions_by_user`: it has one order
//! over all dialects, so that nothing is merged.

use sqlx::PgConnection;
use uuid::Uuid;

use super::across::{AcrossCursor, CreationOrder, ExaminedRow, SessionFilter, Walk};
use super::query::code;
use crate::domain::{OrgId, Timestamp};
use crate::store::keyset;

/// Selects the nearest sessions of a user: whether each matches the filter, and whether its own texts contain the searched
/// text.
macro_rules! examined {
    (after: $after:literal, order: $order:literal, $org:expr, $start:expr, $walk:expr, $user:expr, $filter:expr) => {
        sqlx::query_as!(
            ExaminedRow,
            r#"SELECT s.dialect AS "dialect!", s.session_id AS "session_id!", s.created_at AS "created_at!",
                      COALESCE(s.dialect = ANY ($2::smallint[]) AND ($8::uuid IS NULL OR s.agent_id = $8)
                               AND ($9::text IS NULL OR s.kind = $9)
                               AND NOT (s.dialect IN (3, 4) AND s.ended_at IS NOT NULL)
                               AND CASE $10::smallint
                                       WHEN 1 THEN s.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > $11)
                                       WHEN 2 THEN s.ended_at IS NOT NULL
                                       WHEN 3 THEN s.ended_at IS NULL AND s.expires_at <= $11
                                       ELSE true
                                   END, false) AS "fits!",
                      COALESCE(s.name ILIKE ANY ($12::text[]) OR left(s.description, 10000) ILIKE ANY ($12)
                               OR s.public_id ILIKE ANY ($12), false) AS "is_named!"
                 FROM (SELECT * FROM sessions
                        WHERE org_id = $1 AND octet_length(user_id) <= 2048 AND user_id COLLATE "C" = $7 AND "#
                + $after
                + " ORDER BY "
                + $order
                + " LIMIT $13) s ORDER BY "
                + $order,
            $org.0,
            &$walk.dialects.iter().map(|dialect| dialect.code()).collect::<Vec<i16>>(),
            $start.at,
            $start.dialect,
            $start.id,
            $start.until,
            $user,
            $filter.agent.map(|agent| agent.0),
            $filter.kind.as_deref(),
            $filter.state.map(code),
            $filter.now,
            &$filter.patterns(),
            $start.limit
        )
    };
}

/// Where a walk along the index begins, and where it ends.
struct Start {
    at: Timestamp,
    dialect: i16,
    id: Uuid,
    until: Timestamp,
    limit: i64,
}

impl Start {
    fn new(walk: &Walk, after: Option<AcrossCursor>, limit: i64) -> Self {
        let Walk { created_after, created_before, .. } = *walk;
        let (at, dialect, id, until) = match (walk.order, after) {
            (CreationOrder::Newest, Some(after)) => (after.at, after.dialect, after.id, created_after),
            (CreationOrder::Oldest, Some(after)) => (after.at, after.dialect, after.id, created_before),
            // What was created at the time itself is not listed.
            (CreationOrder::Newest, None) => {
                let dialect = if created_before.is_some() { i16::MIN } else { i16::MAX };
                let (at, id) = keyset::or_latest(created_before.map(|at| (at, Uuid::nil())));
                (at, dialect, id, created_after)
            }
            (CreationOrder::Oldest, None) => {
                let dialect = if created_after.is_some() { i16::MAX } else { i16::MIN };
                let (at, id) = keyset::or_earliest(created_after.map(|at| (at, Uuid::max())));
                (at, dialect, id, created_before)
            }
        };
        let end = match walk.order {
            CreationOrder::Newest => keyset::earliest(),
            CreationOrder::Oldest => Timestamp::MAX_UTC,
        };
        Self { at, dialect, id, until: until.unwrap_or(end), limit }
    }
}

/// Looks at the nearest `limit` sessions of a user after a cursor, also those of other dialects than the walk's.
pub(super) async fn examine(
    connection: &mut PgConnection,
    org: OrgId,
    walk: &Walk,
    user: &str,
    filter: &SessionFilter,
    after: Option<AcrossCursor>,
    limit: i64,
) -> Result<Vec<ExaminedRow>, sqlx::Error> {
    let start = Start::new(walk, after, limit);
    match walk.order {
        CreationOrder::Newest => {
            examined!(
                after: "(created_at, dialect, session_id) < ($3, $4, $5) AND created_at > $6",
                order: "created_at DESC, dialect DESC, session_id DESC",
                org, start, walk, user, filter
            )
            .fetch_all(connection)
            .await
        }
        CreationOrder::Oldest => {
            examined!(
                after: "(created_at, dialect, session_id) > ($3, $4, $5) AND created_at < $6",
                order: "created_at, dialect, session_id",
                org, start, walk, user, filter
            )
            .fetch_all(connection)
            .await
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::DialectName;

    #[test]
    fn the_statement_names_the_dialects_that_delete_by_their_codes() {
        let deleting: Vec<String> = DialectName::ALL
            .into_iter()
            .filter(|name| name.deletes_what_ends())
            .map(|name| name.code().to_string())
            .collect();
        assert!(include_str!("across_user.rs").contains(&format!("s.dialect IN ({}) AND", deleting.join(", "))));
    }
}
