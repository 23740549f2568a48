//! Distributes a database by organization over the nodes of Citus, and keeps it so after later migrations.
//!
//! Every table with an organization is distributed by it, all in the same way, so that a shard has all rows of its
//! organizations. External ids are on every node, because an organization is found by them. How a shard is used
//! afterwards is in [`super::shards`].
//!
//! Each table is one transaction, so that an interrupted distribution is continued by the next one.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::Database;
use super::advice;
use super::database::{DatabaseError, connect};
use super::migrate::{MigrateError, admit_request_login, make_roles};
use super::shards::Node;

/// Prepares tables on the coordinator: their keys begin with the organization.
const TABLES: &str = include_str!("../../migrations/distributed/tables.sql");
/// What every node needs.
const NODES: &str = include_str!("../../migrations/distributed/nodes.sql");
/// Settings of statements that are for one node only, of which functions may name tables that are made later.
const ON_ONE_NODE: [(&str, &str); 2] = [("citus.enable_ddl_propagation", "off"), ("check_function_bodies", "off")];

/// How many shards each node begins with. More can be moved to new nodes; each has connections of its own.
pub const SHARDS_PER_NODE: usize = 4;
const FEWEST_SHARDS: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum DistributeError {
    #[error("the database has no extension citus; make it on every node, and let the coordinator know the nodes")]
    NoCitus,
    #[error("this is not the coordinator; name it in SESSIONARY_MIGRATION_URL or DATABASE_URL")]
    NoCoordinator,
    #[error("the coordinator knows no node for shards; add some with citus_add_node")]
    NoNodes,
    #[error("users of older sessions are still being stored; distribute when session_user_backfills is empty")]
    Backfill,
    #[error("the database is not distributed; `sessionary migrate --distributed` does that")]
    NotDistributed,
    #[error("shards are being moved already")]
    Rebalancing,
    #[error("table {table} had {before} rows and has {after} as a distributed one; nothing was changed")]
    Lost { table: String, before: i64, after: i64 },
}

/// What a distribution did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distributed {
    /// The tables that were distributed now.
    pub tables: Vec<String>,
    pub nodes: usize,
}

/// Returns whether the tables are distributed.
pub(super) async fn is_distributed(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // Without macros, because these tables are not in the database that statements are checked with.
    let is_citus = sqlx::query_scalar("SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL");
    if !is_citus.fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('public.organizations'))",
    )
    .fetch_one(connection)
    .await
}

/// Distributes what is not yet. Called with the lock of migrations.
///
/// # Errors
/// [`MigrateError::Distribute`] when the database cannot be distributed, or the error of a statement. What was
/// distributed stays so.
pub(super) async fn distribute(
    database: &Database,
    coordinator: &mut PgConnection,
    shards: Option<usize>,
) -> Result<Distributed, MigrateError> {
    let nodes = nodes(coordinator).await?;
    let mut owner = database.owner_options().options(ON_ONE_NODE).connect().await.map_err(MigrateError::Roles)?;
    if !is_distributed(coordinator).await.map_err(MigrateError::Statement)? {
        let is_filling = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM session_user_backfills)")
            .fetch_one(&mut *coordinator)
            .await
            .map_err(MigrateError::Statement)?;
        if is_filling {
            return Err(DistributeError::Backfill.into());
        }
    }
    statement(&mut owner, TABLES.to_owned()).await?;
    let functions = functions(&mut owner).await?;
    for node in std::iter::once(None).chain(nodes.iter().map(Some)) {
        prepare(database, node, &functions).await?;
    }
    let _ = owner.close().await;

    let mut owner = database.owner_options().connect().await.map_err(MigrateError::Roles)?;
    let count = shards.unwrap_or_else(|| (nodes.len() * SHARDS_PER_NODE).max(FEWEST_SHARDS));
    let tables = tables(&mut owner).await?;
    for table in &tables {
        distribute_table(&mut owner, table, count).await?;
    }
    let grants = column_grants(&mut owner).await?;
    let _ = owner.close().await;
    for node in &nodes {
        let options = database.on_node(node).owner_options().options(ON_ONE_NODE);
        let mut owner = options.connect().await.map_err(MigrateError::Roles)?;
        statement(&mut owner, grants.clone()).await?;
        let _ = owner.close().await;
    }
    Ok(Distributed { tables, nodes: nodes.len() })
}

/// Returns the nodes that have shards.
async fn nodes(coordinator: &mut PgConnection) -> Result<Vec<Node>, MigrateError> {
    let is_citus = sqlx::query_scalar("SELECT to_regclass('pg_catalog.pg_dist_node') IS NOT NULL");
    if !is_citus.fetch_one(&mut *coordinator).await.map_err(MigrateError::Statement)? {
        return Err(DistributeError::NoCitus.into());
    }
    let group: i32 = sqlx::query_scalar("SELECT groupid FROM pg_dist_local_group")
        .fetch_one(&mut *coordinator)
        .await
        .map_err(MigrateError::Statement)?;
    if group != 0 {
        return Err(DistributeError::NoCoordinator.into());
    }
    let rows = sqlx::query(
        "SELECT nodename, nodeport FROM pg_dist_node
          WHERE noderole = 'primary' AND isactive AND groupid <> 0 ORDER BY groupid",
    )
    .fetch_all(coordinator)
    .await
    .map_err(MigrateError::Statement)?;
    let node = |row: sqlx::postgres::PgRow| {
        let port: i32 = row.try_get(1)?;
        Ok(Node {
            host: row.try_get(0)?,
            port: u16::try_from(port).map_err(|error| sqlx::Error::Decode(error.into()))?,
        })
    };
    let nodes = rows.into_iter().map(node).collect::<Result<Vec<Node>, sqlx::Error>>();
    let nodes = nodes.map_err(MigrateError::Statement)?;
    if nodes.is_empty() { Err(DistributeError::NoNodes.into()) } else { Ok(nodes) }
}

/// Returns the statements that make the functions of the schema and their grants.
async fn functions(owner: &mut PgConnection) -> Result<String, MigrateError> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s; REVOKE EXECUTE ON FUNCTION public.%I(%s) FROM PUBLIC; ',
                       pg_get_functiondef(p.oid), p.proname, pg_get_function_identity_arguments(p.oid))
             || COALESCE((SELECT string_agg(format('GRANT EXECUTE ON FUNCTION public.%I(%s) TO %I; ', p.proname,
                                                   pg_get_function_identity_arguments(p.oid), g.grantee::regrole), '')
                            FROM aclexplode(p.proacl) g
                           WHERE g.grantee IN ('sessionary_app'::regrole, 'sessionary_system'::regrole)), '')
           FROM pg_proc p
          WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = 'sessionary_owner'::regrole
          ORDER BY p.oid",
    )
    .fetch_all(owner)
    .await
    .map_err(MigrateError::Statement)?;
    Ok(texts.concat())
}

/// Makes the roles and the functions of a node; `None` for the coordinator, which has the functions already.
async fn prepare(database: &Database, node: Option<&Node>, functions: &str) -> Result<(), MigrateError> {
    let there = match node {
        Some(node) => database.on_node(node),
        None => database.clone(),
    };
    let options = there.migration_options().options(ON_ONE_NODE);
    let mut login = connect(&options).await?;
    make_roles(&mut login).await.map_err(MigrateError::Roles)?;
    admit_request_login(&mut login, &there).await.map_err(MigrateError::Roles)?;
    // The nodes connect to each other as the role of a statement. The owner makes a schema for each shard.
    statement(
        &mut login,
        "ALTER ROLE sessionary_owner LOGIN; ALTER ROLE sessionary_app LOGIN; ALTER ROLE sessionary_system LOGIN;
         DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO sessionary_owner', current_database()); END $$"
            .to_owned(),
    )
    .await?;
    let _ = login.close().await;
    let mut owner = there.owner_options().options(ON_ONE_NODE).connect().await.map_err(MigrateError::Roles)?;
    if node.is_some() {
        statement(&mut owner, functions.to_owned()).await?;
    }
    statement(&mut owner, NODES.to_owned()).await?;
    let _ = owner.close().await;
    Ok(())
}

/// Returns the statements that grant privileges of single columns, which Citus does not carry to the nodes.
async fn column_grants(owner: &mut PgConnection) -> Result<String, MigrateError> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT format('GRANT %s (%I) ON public.%I TO %s; ', g.privilege_type, a.attname, c.relname, g.grantee::regrole)
           FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
          CROSS JOIN aclexplode(a.attacl) g
          WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = 'sessionary_owner'::regrole
            AND EXISTS (SELECT 1 FROM pg_dist_partition d WHERE d.logicalrelid = c.oid)
          ORDER BY c.relname, a.attnum",
    )
    .fetch_all(owner)
    .await
    .map_err(MigrateError::Statement)?;
    Ok(texts.concat())
}

/// Returns the tables that are to be distributed, organizations first.
async fn tables(owner: &mut PgConnection) -> Result<Vec<String>, MigrateError> {
    sqlx::query_scalar(
        "SELECT c.relname::text
           FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relowner = 'sessionary_owner'::regrole
            AND NOT EXISTS (SELECT FROM pg_dist_partition d WHERE d.logicalrelid = c.oid)
          ORDER BY c.relname <> 'organizations', c.relname",
    )
    .fetch_all(owner)
    .await
    .map_err(MigrateError::Statement)
}

/// The table of external ids, which every node has.
const ON_EVERY_NODE: &str = "organization_external_ids";
/// The table that the others are distributed like.
const FIRST: &str = "organizations";
const NOT_LIKE_OTHERS: &str = "colocate_with => 'none'";
/// Gives a table the policy that a distributed one may have.
const POLICY: &str = "DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_policy WHERE polrelid = 'public.%s'::regclass AND polname = 'tenant') THEN
        EXECUTE format('ALTER POLICY tenant ON public.%s USING (%%1$s) WITH CHECK (%%1$s)', tenant_scope(true));
    END IF; END $$";

async fn distribute_table(owner: &mut PgConnection, table: &str, shards: usize) -> Result<(), MigrateError> {
    let call = match table {
        ON_EVERY_NODE => format!("create_reference_table('public.{table}')"),
        FIRST => {
            format!("create_distributed_table('public.{table}', 'org_id', shard_count => {shards}, {NOT_LIKE_OTHERS})")
        }
        _ => format!("create_distributed_table('public.{table}', 'org_id', colocate_with => 'public.{FIRST}')"),
    };
    let mut transaction = owner.begin().await.map_err(MigrateError::Statement)?;
    // The owner sees all rows while row-level security is not forced. Requests have no part in this, because their role
    // owns nothing.
    statement(&mut transaction, format!("ALTER TABLE public.{table} NO FORCE ROW LEVEL SECURITY")).await?;
    statement(&mut transaction, POLICY.replace("%s", table).replace("%%", "%")).await?;
    let before = count(&mut transaction, table).await?;
    statement(&mut transaction, format!("SELECT {call}")).await?;
    let after = count(&mut transaction, table).await?;
    if before != after {
        return Err(DistributeError::Lost { table: table.to_owned(), before, after }.into());
    }
    statement(&mut transaction, format!("ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")).await?;
    transaction.commit().await.map_err(MigrateError::Statement)
}

async fn count(connection: &mut PgConnection, table: &str) -> Result<i64, MigrateError> {
    // Safe: the name is that of a table of the schema.
    let statement = AssertSqlSafe(format!("SELECT count(*) FROM public.{table}"));
    sqlx::query_scalar(statement).fetch_one(connection).await.map_err(MigrateError::Statement)
}

/// Executes statements of this program; names in them are those of tables of the schema.
async fn statement(connection: &mut PgConnection, text: String) -> Result<(), MigrateError> {
    sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.map_err(MigrateError::Statement)?;
    Ok(())
}

/// Drops the schemas of all shards, because a migration cannot change a column that a view has. Replicas make them
/// again.
pub(super) async fn detach(database: &Database, coordinator: &mut PgConnection) -> Result<(), MigrateError> {
    for node in nodes(coordinator).await? {
        let mut owner = database.on_node(&node).owner_options().options(ON_ONE_NODE).connect().await;
        let owner = owner.as_mut().map_err(|error| MigrateError::Connect(unreachable(&node, error)))?;
        statement(
            owner,
            "DO $$ DECLARE space text; BEGIN
                 FOR space IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^shard_[0-9]+$' LOOP
                     EXECUTE format('DROP SCHEMA %I CASCADE', space);
                 END LOOP;
             END $$"
                .to_owned(),
        )
        .await?;
    }
    Ok(())
}

fn unreachable(node: &Node, error: &sqlx::Error) -> DatabaseError {
    let place = format!("{}:{}", node.host, node.port);
    DatabaseError::Connect { place, error: sqlx::Error::Protocol(advice::described(error).to_string()) }
}
