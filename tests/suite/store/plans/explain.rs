//! The parts of plans that show which rows are read.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sessionary::store::LOOKUP_PLANS;
use sqlx::{AssertSqlSafe, PgConnection};

use super::statements::Statement;

#[derive(Debug)]
pub struct Plan {
    /// Of tables in the schema `public`.
    pub scans: Vec<Scan>,
}

#[derive(Debug)]
pub struct Scan {
    pub table: String,
    /// `None` if the table is read from its beginning to its end.
    pub index: Option<String>,
    pub condition: String,
    filter: String,
    /// Whether a limit ends the scan: nothing between the two reads more rows than it passes on.
    is_limited: bool,
}

impl Scan {
    pub fn has_condition_on(&self, column: &str) -> bool {
        // A condition on an expression that contains the column counts, too.
        self.condition.contains(column)
    }

    /// Returns whether a parameter is the organization of every row that is read.
    pub fn is_of_one_organization(&self) -> bool {
        let is_given = |condition: &str| {
            let given = condition.split("org_id = $").nth(1);
            given.is_some_and(|number| number.starts_with(|digit: char| digit.is_ascii_digit()))
        };
        is_given(&self.condition) || is_given(&self.filter)
    }

    /// Returns whether the scan reads a bounded number of rows each time it is executed: it looks up whole keys of a unique
    /// index, of which `keys` are the columns, or a limit ends it.
    pub fn is_bounded(&self, keys: &HashMap<String, Vec<String>>) -> bool {
        let columns = self.index.as_ref().and_then(|index| keys.get(index));
        let is_key = columns.is_some_and(|columns| {
            columns.iter().all(|column| {
                [format!("({column} = "), format!(".{column} = ")].iter().any(|equal| self.condition.contains(equal))
            })
        });
        is_key || self.is_limited && !self.rejects_rows()
    }

    /// Returns whether rows that were read are rejected, by other conditions than the policy and those of a cursor.
    fn rejects_rows(&self) -> bool {
        self.filter.split(" AND ").any(|condition| {
            let condition = condition.trim_matches(['(', ')']);
            // Postgres 15 and 16 call the policy's sub-select $0, later versions InitPlan.
            let is_set = ["org_id = ANY ($", "org_id = ANY ((InitPlan "].iter().any(|set| condition.contains(set));
            let is_policy = is_set && condition.ends_with("IS TRUE");
            !(condition.is_empty() || is_policy || condition.starts_with("ROW("))
        })
    }

    /// Returns the column of a cursor by which rows are filtered after they were read, if no index condition begins at
    /// the cursor.
    pub fn column_of_filtered_cursor(&self) -> Option<&str> {
        let (_, row) = self.filter.split_once("ROW(")?;
        let column = row.split([',', ')']).next()?;
        let (_, behind) = row.split_once(") ")?;
        let sign = behind.chars().next()?;
        let begins = [format!("{column} {sign}"), format!("ROW({column}")];
        (!begins.iter().any(|condition| self.condition.contains(condition))).then_some(column)
    }
}

/// Returns the plan of a statement for the role that runs it: the request role, or the system role if that one lacks
/// the privilege. Returns `None` for a statement that reads no table of the service.
pub async fn explain(connection: &mut PgConnection, statement: &Statement) -> Option<Plan> {
    match as_role(connection, "sessionary_app", statement).await {
        Err(error) if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("42501") => {
            as_role(connection, "sessionary_system", statement).await
        }
        result => result,
    }
    .map_err(|error| panic!("{}\n{error}", statement.text))
    .ok()
}

/// Returns the plan of a statement for a role.
///
/// # Errors
/// Those of Postgres.
pub async fn as_role(connection: &mut PgConnection, role: &str, statement: &Statement) -> Result<Plan, sqlx::Error> {
    run(connection, "SAVEPOINT before").await.or(run(connection, "BEGIN; SAVEPOINT before").await)?;
    let plan = planned(connection, role, statement).await;
    run(connection, "ROLLBACK TO before; RELEASE before; DEALLOCATE ALL").await?;
    plan
}

async fn planned(connection: &mut PgConnection, role: &str, statement: &Statement) -> Result<Plan, sqlx::Error> {
    for (name, value) in LOOKUP_PLANS {
        run(connection, &format!("SET LOCAL {name} = '{value}'")).await?;
    }
    run(connection, &format!("SET LOCAL ROLE {role}")).await?;
    run(connection, "SET LOCAL app.org_ids = '{00000000-0000-0000-0000-000000000000}'").await?;
    let types = if statement.types.is_empty() { String::new() } else { format!("({})", statement.types.join(", ")) };
    run(connection, &format!("PREPARE planned{types} AS {}", statement.text)).await?;
    let nulls = vec!["NULL"; statement.parameters].join(", ");
    let arguments = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
    let text = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) EXECUTE planned{arguments}"));
    let plan: Value = sqlx::query_scalar(text).persistent(false).fetch_one(connection).await?;
    let mut scans = Vec::new();
    collect(&plan[0]["Plan"], Above::default(), &mut scans);
    Ok(Plan { scans })
}

async fn run(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.map(drop)
}

/// Facts about the nodes above a node.
#[derive(Clone, Copy, Default)]
struct Above<'p> {
    /// The table that a bitmap is of.
    bitmap_of: Option<&'p str>,
    is_limited: bool,
}

/// Adds the scans of a node and those below it. The rows that a bitmap's indexes find are read by the node above them.
fn collect(node: &Value, above: Above<'_>, scans: &mut Vec<Scan>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let kind = text("Node Type");
    let table = text("Relation Name");
    let is_bitmap = kind == "Bitmap Heap Scan";
    let is_ours = |table: &str| !table.is_empty() && !table.starts_with("pg_");
    let is_limited = above.is_limited;
    let condition = text("Index Cond");
    match (kind.as_str(), above.bitmap_of) {
        ("Bitmap Index Scan", Some(table)) if is_ours(table) => scans.push(Scan {
            table: table.to_owned(),
            index: Some(text("Index Name")),
            condition,
            filter: String::new(),
            // All of the index's rows are found before the first is read.
            is_limited: false,
        }),
        ("Index Scan" | "Index Only Scan", _) if is_ours(&table) => scans.push(Scan {
            table: table.clone(),
            index: Some(text("Index Name")),
            condition,
            filter: text("Filter"),
            is_limited,
        }),
        ("Seq Scan" | "Sample Scan", _) if is_ours(&table) => {
            let filter = text("Filter");
            scans.push(Scan { table: table.clone(), index: None, condition: String::new(), filter, is_limited });
        }
        _ => {}
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        let is_limited = match (kind.as_str(), below["Parent Relationship"].as_str()) {
            (_, Some("InitPlan" | "SubPlan")) => false,
            ("Limit", _) => true,
            // These nodes return every row that they read, as they read it.
            ("Incremental Sort" | "Append" | "Merge Append" | "LockRows" | "Result" | "Materialize", _) => is_limited,
            ("Subquery Scan", _) => is_limited && text("Filter").is_empty(),
            ("Nested Loop", Some("Outer")) => {
                is_limited && text("Join Type") == "Left" && text("Join Filter").is_empty()
            }
            _ => false,
        };
        let bitmap_of = if is_bitmap { Some(&table[..]) } else { above.bitmap_of };
        collect(below, Above { bitmap_of, is_limited }, scans);
    }
}

/// Returns the tables whose rows have an organization.
pub async fn tables_of_organizations(connection: &mut PgConnection) -> HashSet<String> {
    let tables = "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname = 'org_id'";
    sqlx::query_scalar::<_, String>(tables).fetch_all(connection).await.expect("tables").into_iter().collect()
}

/// Returns the columns of each unique index.
pub async fn unique_keys(connection: &mut PgConnection) -> HashMap<String, Vec<String>> {
    let keys = "SELECT i.indexrelid::regclass::text, array_agg(a.attname::text)
                  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
                 WHERE i.indisunique AND a.attnum <= i.indnkeyatts
                   AND i.indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
                 GROUP BY 1";
    sqlx::query_as::<_, (String, Vec<String>)>(keys).fetch_all(connection).await.expect("keys").into_iter().collect()
}
