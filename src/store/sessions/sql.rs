//! The statements that read sessions in the order of a list.
//!
//! Each is for one index and one direction, so that its plan walks that index from the cursor on. Parameters: `$1`
//! organization, `$2` dialect, `$3` agent, `$4` the time of the cursor, then those of each statement.

/// Calls a macro with the conditions and the order of a query's walk.
macro_rules! walk {
    ($order:expr, $query:expr, $statement:ident, $connection:expr $(, $argument:expr)*) => {
        match ($query.agent.is_some(), $order.is_oldest_first()) {
            (false, true) => $statement!(
                of: "$3::uuid IS NULL",
                after: "(created_at, session_id) > ($4, $5)",
                until: "(created_at, session_id) <= ($11, $12)",
                order: "created_at, session_id",
                later: "created_at > $4",
                by_time: "created_at",
                $query, $connection $(, $argument)*
            ),
            (true, true) => $statement!(
                of: "agent_id = $3 AND dialect IN (2, 5)",
                after: "(created_at, session_id) > ($4, $5)",
                until: "(created_at, session_id) <= ($11, $12)",
                order: "created_at, session_id",
                later: "created_at > $4",
                by_time: "created_at",
                $query, $connection $(, $argument)*
            ),
            (_, false) => newest!($query, $statement, $connection $(, $argument)*),
        }
    };
}

/// Calls a macro like `walk`, for queries that read the newest sessions.
///
/// The index by agent covers two dialects. A statement can use it only if it names their numbers, so only queries of
/// these dialects filter by agent.
macro_rules! newest {
    ($query:expr, $statement:ident, $connection:expr $(, $argument:expr)*) => {
        if $query.agent.is_some() {
            $statement!(
                of: "agent_id = $3 AND dialect IN (2, 5)",
                after: "(created_at, session_id) < ($4, $5)",
                until: "(created_at, session_id) >= ($11, $12)",
                order: "created_at DESC, session_id DESC",
                later: "created_at < $4",
                by_time: "created_at DESC",
                $query, $connection $(, $argument)*
            )
        } else {
            $statement!(
                of: "$3::uuid IS NULL",
                after: "(created_at, session_id) < ($4, $5)",
                until: "(created_at, session_id) >= ($11, $12)",
                order: "created_at DESC, session_id DESC",
                later: "created_at < $4",
                by_time: "created_at DESC",
                $query, $connection $(, $argument)*
            )
        }
    };
}

/// Selects a page of at most `$6` sessions after `$4` and `$5`, as rows. `$7` rows are skipped. Sorted in the subquery,
/// before texts are unpacked.
macro_rules! page_rows {
    (of: $of:literal, after: $after:literal, until: $until:literal, order: $order:literal, later: $later:literal,
     by_time: $by_time:literal, $query:expr, $connection:expr, $limit:expr) => {{
        let rows = sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id, dialect, session_id, agent_id, public_id, nonce, ended_at, enabled, kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at, updated_at, expires_at,
                      expiry_reported_at, turn::text, last_change
                 FROM (SELECT * FROM sessions
                        WHERE org_id = $1 AND dialect = $2 AND "#
                + $of
                + " AND "
                + $after
                + " ORDER BY "
                + $order
                + " LIMIT $6 OFFSET $7) page ORDER BY "
                + $order,
            $query.org,
            $query.dialect,
            $query.agent,
            $query.at,
            $query.id,
            $limit,
            $query.skip
        );
        bytes::page(rows.fetch($connection), MAX_PAGE_BYTES).await?
    }};
}

/// Selects a page of the sessions that match the filters, as rows. The sessions are read in the order of the list until
/// the page is full, but not beyond `$11` and `$12`, the end of the window. They are filtered before they are sorted,
/// because sorting copies rows.
macro_rules! filtered_rows {
    (of: $of:literal, after: $after:literal, until: $until:literal, order: $order:literal, later: $later:literal,
     by_time: $by_time:literal, $query:expr, $connection:expr, $limit:expr, $end:expr) => {{
        let end: (Timestamp, Uuid) = $end;
        let rows = sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id, dialect, session_id, agent_id, public_id, nonce, ended_at, enabled, kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at, updated_at, expires_at,
                      expiry_reported_at, turn::text, last_change
                 FROM (SELECT * FROM sessions
                        WHERE org_id = $1 AND dialect = $2 AND "#
                + $of
                + " AND "
                + $after
                + " AND "
                + $until
                + " AND ($8::text IS NULL OR kind = $8)
                  AND CASE $9::smallint
                          WHEN 1 THEN ended_at IS NULL AND (expires_at IS NULL OR expires_at > $10)
                          WHEN 2 THEN ended_at IS NOT NULL
                          WHEN 3 THEN ended_at IS NULL AND expires_at <= $10
                          ELSE true
                      END
                ORDER BY "
                + $order
                + " LIMIT $6 OFFSET $7) page ORDER BY "
                + $order,
            $query.org,
            $query.dialect,
            $query.agent,
            $query.at,
            $query.id,
            $limit,
            $query.skip,
            $query.kind,
            $query.state,
            $query.now,
            end.0,
            end.1
        );
        bytes::page(rows.fetch($connection), MAX_PAGE_BYTES).await?
    }};
}

/// Selects the ids of a page of the nearest `$11` sessions, by the time of their last update: ascending if `$12` is 1,
/// descending if it is -1.
macro_rules! updated_ids {
    (of: $of:literal, after: $after:literal, until: $until:literal, order: $order:literal, later: $later:literal,
     by_time: $by_time:literal, $query:expr, $connection:expr, $limit:expr, $sign:expr) => {
        sqlx::query_scalar!(
            "SELECT session_id
               FROM (SELECT session_id, created_at, updated_at,
                            ($8::text IS NULL OR kind = $8)
                            AND CASE $9::smallint
                                    WHEN 1 THEN ended_at IS NULL AND (expires_at IS NULL OR expires_at > $10)
                                    WHEN 2 THEN ended_at IS NOT NULL
                                    WHEN 3 THEN ended_at IS NULL AND expires_at <= $10
                                    ELSE true
                                END AS fits
                       FROM sessions WHERE org_id = $1 AND dialect = $2 AND "
                + $of
                + " AND "
                + $after
                + " ORDER BY "
                + $order
                + " LIMIT $11) near
              WHERE fits ORDER BY extract(epoch FROM updated_at)::float8 * $12::float8, "
                + $order
                + " LIMIT $6 OFFSET $7",
            $query.org,
            $query.dialect,
            $query.agent,
            $query.at,
            $query.id,
            $limit,
            $query.skip,
            $query.kind,
            $query.state,
            $query.now,
            UPDATED_WINDOW,
            $sign
        )
        .fetch_all($connection)
        .await?
    };
}

/// Selects the times of the nearest `$6` sessions whose time is not the cursor's: how many there are, the last time,
/// and how many of them have that time. Read from the index alone, which does not order sessions of the same time.
macro_rules! times {
    (of: $of:literal, after: $after:literal, until: $until:literal, order: $order:literal, later: $later:literal,
     by_time: $by_time:literal, $query:expr, $connection:expr, $count:expr) => {
        sqlx::query_as!(
            Times,
            r#"SELECT COALESCE(cardinality(times), 0)::bigint AS "seen!",
                      COALESCE(cardinality(times), 0)::bigint AS "total!", times[$5] AS last,
                      cardinality(array_positions(times, times[$5]))::bigint AS of_last, times[1] AS first,
                      NULL::timestamptz AS oldest_fit, NULL::timestamptz AS newest_fit
                 FROM (SELECT array_agg(created_at) AS times
                         FROM (SELECT created_at FROM sessions
                                WHERE org_id = $1 AND dialect = $2 AND "#
                + $of
                + " AND "
                + $later
                + " ORDER BY "
                + $by_time
                + " LIMIT $5) near) gathered",
            $query.org,
            $query.dialect,
            $query.agent,
            $query.at,
            $count
        )
        .fetch_one($connection)
        .await?
    };
}

/// Selects the times like `times`, and how many of these sessions match the filters.
macro_rules! filtered_times {
    (of: $of:literal, after: $after:literal, until: $until:literal, order: $order:literal, later: $later:literal,
     by_time: $by_time:literal, $query:expr, $connection:expr, $count:expr) => {
        sqlx::query_as!(
            Times,
            r#"SELECT COALESCE(cardinality(times), 0)::bigint AS "seen!", total AS "total!", times[$5] AS last,
                      cardinality(array_positions(times, times[$5]))::bigint AS of_last, times[1] AS first,
                      oldest_fit, newest_fit
                 FROM (SELECT array_agg(created_at) AS times, count(*) FILTER (WHERE fits) AS total,
                              min(created_at) FILTER (WHERE fits) AS oldest_fit,
                              max(created_at) FILTER (WHERE fits) AS newest_fit
                         FROM (SELECT created_at,
                                      ($6::text IS NULL OR kind = $6)
                                      AND CASE $7::smallint
                                              WHEN 1 THEN ended_at IS NULL AND (expires_at IS NULL OR expires_at > $8)
                                              WHEN 2 THEN ended_at IS NOT NULL
                                              WHEN 3 THEN ended_at IS NULL AND expires_at <= $8
                                              ELSE true
                                          END AS fits
                                 FROM sessions WHERE org_id = $1 AND dialect = $2 AND "# + $of + " AND " + $later
                + " ORDER BY " + $by_time + " LIMIT $5) near) gathered",
            $query.org,
            $query.dialect,
            $query.agent,
            $query.at,
            $count,
            $query.kind,
            $query.state,
            $query.now
        )
        .fetch_one($connection)
        .await?
    };
}

/// Selects the sessions of one time, `$4`, in the order of their ids, and whether they match the filters.
macro_rules! simultaneous {
    (of: $of:literal, after: $after:literal, until: $until:literal, order: $order:literal, later: $later:literal,
     by_time: $by_time:literal, $query:expr, $connection:expr, $at:expr) => {
        sqlx::query_as!(
            Simultaneous,
            r#"SELECT session_id,
                      COALESCE(($5::text IS NULL OR kind = $5)
                       AND CASE $6::smallint
                               WHEN 1 THEN ended_at IS NULL AND (expires_at IS NULL OR expires_at > $7)
                               WHEN 2 THEN ended_at IS NOT NULL
                               WHEN 3 THEN ended_at IS NULL AND expires_at <= $7
                               ELSE true
                           END, false) AS "fits!"
                 FROM sessions WHERE org_id = $1 AND dialect = $2 AND "#
                + $of
                + r#" AND created_at = $4
                ORDER BY session_id LIMIT $8"#,
            $query.org,
            $query.dialect,
            $query.agent,
            $at,
            $query.kind,
            $query.state,
            $query.now,
            WINDOW
        )
        .fetch_all($connection)
        .await?
    };
}

pub(super) use {filtered_rows, filtered_times, newest, page_rows, simultaneous, times, updated_ids, walk};

#[cfg(test)]
mod tests {
    use crate::domain::DialectName;

    /// They are written out, because a generic plan uses an index of some dialects only then.
    #[test]
    fn statements_name_the_dialects_that_are_listed_by_agent() {
        let codes = DialectName::LISTED_BY_AGENT.map(|dialect| dialect.code().to_string()).join(", ");
        let (statements, _) = include_str!("sql.rs").split_once("mod tests").unwrap();
        let lists: Vec<&str> =
            statements.split("dialect IN (").skip(1).filter_map(|text| text.split(')').next()).collect();
        assert_eq!(lists, [codes.as_str(); 2]);
    }
}
