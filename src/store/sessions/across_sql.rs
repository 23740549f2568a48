//! The statements that walk the sessions of several dialects in one order.
//!
//! Each dialect is read along its own index from its own cursor, up to the limit; then the limit's nearest of all are
//! merged. So a page costs as many short index scans as there are dialects, whatever the age of the table.
//!
//! Parameters: `$1` organization, `$2`, `$3` and `$4` the dialects and the cursors of each, `$5` the time beyond which
//! nothing is read, `$6` the limit.

/// Calls a macro with the conditions and the orders of a direction.
macro_rules! directed {
    ($order:expr, $statement:ident $(, $argument:expr)*) => {
        match $order {
            $crate::store::CreationOrder::Newest => $statement!(
                after: "(s.created_at, s.session_id) < (asked.at, asked.id) AND s.created_at > $5",
                order: "s.created_at DESC, s.session_id DESC",
                merged: "created_at DESC, dialect DESC, session_id DESC"
                $(, $argument)*
            ),
            $crate::store::CreationOrder::Oldest => $statement!(
                after: "(s.created_at, s.session_id) > (asked.at, asked.id) AND s.created_at < $5",
                order: "s.created_at, s.session_id",
                merged: "created_at, dialect, session_id"
                $(, $argument)*
            ),
        }
    };
}

/// Selects the nearest sessions as rows. Sorted in the subquery, before texts are unpacked.
macro_rules! nearest_rows {
    (after: $after:literal, order: $order:literal, merged: $merged:literal, $at:expr, $connection:expr) => {{
        let rows = sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id AS "org_id!", dialect AS "dialect!", session_id AS "session_id!", agent_id,
                      public_id AS "public_id!", nonce AS "nonce!", ended_at, enabled AS "enabled!", kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at AS "created_at!",
                      updated_at AS "updated_at!", expires_at, expiry_reported_at, turn::text, last_change
                 FROM (SELECT near.*
                         FROM UNNEST($2::smallint[], $3::timestamptz[], $4::uuid[]) AS asked (name, at, id)
                        CROSS JOIN LATERAL (SELECT s.* FROM sessions s
                                             WHERE s.org_id = $1 AND s.dialect = asked.name AND "#
                + $after
                + " ORDER BY "
                + $order
                + " LIMIT $6) near ORDER BY "
                + $merged
                + " LIMIT $6) page ORDER BY "
                + $merged,
            $at.org,
            &$at.dialects,
            &$at.times,
            &$at.ids,
            $at.until,
            $at.limit
        );
        bytes::page(rows.fetch($connection), MAX_PAGE_BYTES).await?
    }};
}

/// Selects the nearest sessions: whether each matches the filter but for its user, and whether its own texts contain the
/// searched text.
macro_rules! nearest_examined {
    (after: $after:literal, order: $order:literal, merged: $merged:literal, $at:expr, $filter:expr, $connection:expr) => {
        sqlx::query_as!(
            ExaminedRow,
            r#"SELECT dialect AS "dialect!", session_id AS "session_id!", created_at AS "created_at!", fits AS "fits!",
                      is_named AS "is_named!"
                 FROM UNNEST($2::smallint[], $3::timestamptz[], $4::uuid[]) AS asked (name, at, id)
                CROSS JOIN LATERAL (
                    SELECT s.dialect, s.session_id, s.created_at,
                           COALESCE(($7::uuid IS NULL OR s.agent_id = $7) AND ($8::text IS NULL OR s.kind = $8)
                                    AND NOT (s.dialect IN (3, 4) AND s.ended_at IS NOT NULL)
                                    AND CASE $9::smallint
                                            WHEN 1 THEN s.ended_at IS NULL
                                                        AND (s.expires_at IS NULL OR s.expires_at > $10)
                                            WHEN 2 THEN s.ended_at IS NOT NULL
                                            WHEN 3 THEN s.ended_at IS NULL AND s.expires_at <= $10
                                            ELSE true
                                        END, false) AS fits,
                           COALESCE(s.name ILIKE ANY ($11::text[]) OR left(s.description, 10000) ILIKE ANY ($11)
                                    OR s.public_id ILIKE ANY ($11), false) AS is_named
                      FROM sessions s
                     WHERE s.org_id = $1 AND s.dialect = asked.name AND "#
                + $after
                + " ORDER BY "
                + $order
                + " LIMIT $6) near ORDER BY "
                + $merged
                + " LIMIT $6",
            $at.org,
            &$at.dialects,
            &$at.times,
            &$at.ids,
            $at.until,
            $at.limit,
            $filter.agent.map(|agent| agent.0),
            $filter.kind.as_deref(),
            $filter.state.map(code),
            $filter.now,
            &$filter.patterns()
        )
        .fetch_all($connection)
        .await?
    };
}

/// Selects the nearest sessions of one agent like [`nearest_examined`]: those of dialects with an index by agent along
/// it, and those of the others (4) along the index by time.
macro_rules! nearest_examined_of_agent {
    (after: $after:literal, order: $order:literal, merged: $merged:literal, $at:expr, $filter:expr, $connection:expr) => {
        sqlx::query_as!(
            ExaminedRow,
            r#"SELECT near.dialect AS "dialect!", near.session_id AS "session_id!", near.created_at AS "created_at!",
                      COALESCE(near.agent_id = $7 AND ($8::text IS NULL OR near.kind = $8)
                               AND NOT (near.dialect IN (3, 4) AND near.ended_at IS NOT NULL)
                               AND CASE $9::smallint
                                       WHEN 1 THEN near.ended_at IS NULL
                                                   AND (near.expires_at IS NULL OR near.expires_at > $10)
                                       WHEN 2 THEN near.ended_at IS NOT NULL
                                       WHEN 3 THEN near.ended_at IS NULL AND near.expires_at <= $10
                                       ELSE true
                                   END, false) AS "fits!",
                      COALESCE(near.name ILIKE ANY ($11::text[]) OR left(near.description, 10000) ILIKE ANY ($11)
                               OR near.public_id ILIKE ANY ($11), false) AS "is_named!"
                 FROM UNNEST($2::smallint[], $3::timestamptz[], $4::uuid[]) AS asked (name, at, id)
                CROSS JOIN LATERAL (
                    (SELECT s.* FROM sessions s
                      WHERE s.org_id = $1 AND s.dialect = asked.name AND s.dialect IN (2, 5) AND s.agent_id = $7 AND "#
                + $after
                + " ORDER BY "
                + $order
                + r#" LIMIT $6)
                    UNION ALL
                    (SELECT s.* FROM sessions s
                      WHERE asked.name = 3 AND s.org_id = $1 AND s.dialect = 3 AND s.agent_id = $7 AND "#
                + $after
                + " ORDER BY "
                + $order
                + r#" LIMIT $6)
                    UNION ALL
                    (SELECT s.* FROM sessions s
                      WHERE asked.name = 4 AND s.org_id = $1 AND s.dialect = 4 AND "#
                + $after
                + " ORDER BY "
                + $order
                + " LIMIT $6)) near ORDER BY "
                + $merged
                + " LIMIT $6",
            $at.org,
            &$at.dialects,
            &$at.times,
            &$at.ids,
            $at.until,
            $at.limit,
            $filter.agent.map(|agent| agent.0),
            $filter.kind.as_deref(),
            $filter.state.map(code),
            $filter.now,
            &$filter.patterns()
        )
        .fetch_all($connection)
        .await?
    };
}

pub(super) use {directed, nearest_examined, nearest_examined_of_agent, nearest_rows};

#[cfg(test)]
mod tests {
    use crate::domain::DialectName;

    /// They are written out, because a generic plan uses an index of some dialects only then.
    #[test]
    fn statements_name_the_dialects_by_their_codes() {
        let (statements, _) = include_str!("across_sql.rs").split_once("mod tests").unwrap();
        let codes = |dialects: &[DialectName]| {
            format!("({})", dialects.iter().map(|dialect| dialect.code().to_string()).collect::<Vec<_>>().join(", "))
        };
        let deleting: Vec<DialectName> = DialectName::ALL.into_iter().filter(|name| name.deletes_what_ends()).collect();
        assert_eq!(statements.matches(&format!("dialect IN {} AND", codes(&deleting))).count(), 2);
        assert_eq!(statements.matches(&format!("dialect IN {} AND", codes(&DialectName::LISTED_BY_AGENT))).count(), 1);
        assert_eq!((DialectName::AgentKey.code(), DialectName::Messaging.code()), (3, 4));
    }
}
