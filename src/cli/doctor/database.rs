//! Checks of the database.

use chrono::TimeDelta;

use super::{Check, Doctor, Status, nodes, surroundings};
use crate::cli::home::Home;
use crate::cli::{Context, Failure};
use crate::domain::{KEY_EXPIRY_WARNING, Timestamp};
use crate::store::admin::AdminStore;
use crate::store::{DatabaseRole, Login, Schema, Server, Tls, newest_migration, schema};

/// How much the clocks of the service and of the database may differ.
const WARN_SKEW: TimeDelta = TimeDelta::seconds(1);
const MAX_SKEW: TimeDelta = TimeDelta::seconds(30);
/// Limit of the connections of one replica.
const CONNECTIONS_OF_A_REPLICA: i64 = 23;
/// How late a delivery may be before the check warns.
const MAX_LATE: TimeDelta = TimeDelta::minutes(5);
/// Limit of the listed keys.
const MAX_KEYS: i64 = 20;
/// Limit of the counted deliveries.
const MAX_COUNTED: i64 = 10_000;

pub(super) async fn check(doctor: &Doctor, context: &Context, home: &Home, checks: &mut Vec<Check>) {
    let database = &home.database;
    let began = context.clock.now();
    let server = match database.server().await {
        Ok(server) => server,
        Err(error) => return checks.push(Check::of("postgres", Err(error.into()))),
    };
    let place = database.place();
    checks.push(Check::new("postgres", Status::Ok, format!("version {} at {place}", server.version)));
    if server.is_read_only {
        checks.push(Check::new("writes", Status::Fail, "the server takes no writes: name the primary, not a standby"));
    }
    checks.push(tls(&database.tls(server.tls_version.as_deref())));
    checks.push(clock(began, context.clock.now(), &server));
    checks.push(connections(&server));
    checks.push(Check::new("size", Status::Ok, format!("the database has {} MB", server.database_bytes >> 20)));

    let schema = match schema(database).await {
        Ok(schema) => schema,
        Err(error) => return checks.push(Check::of("schema", Err(error.into()))),
    };
    checks.push(migrations(&schema, &place));
    if schema.applied.is_empty() {
        return;
    }
    for role in DatabaseRole::ALL {
        let login = database.log_in(role).await;
        checks.push(match login {
            Ok(login) => logged_in(role, &login),
            Err(error) => Check::of(name_of(role), Err(error.into())),
        });
    }
    checks.push(Check::of("isolation", isolation(home).await));
    nodes::check(database, checks).await;
    if schema.check(&place).is_err() {
        return;
    }
    match AdminStore::connect(database).await {
        Ok(admin) => {
            checks.push(
                backlog(&admin, context.clock.now())
                    .await
                    .unwrap_or_else(|failure| Check::of("webhooks", Err(failure))),
            );
            checks.push(
                keys(&admin, context.clock.now()).await.unwrap_or_else(|failure| Check::of("API keys", Err(failure))),
            );
            checks.push(secrets(&admin, context).await.unwrap_or_else(|failure| Check::of("secrets", Err(failure))));
            if doctor.responders {
                surroundings::responders(context, &admin, checks).await;
            }
            admin.close().await;
        }
        Err(error) => checks.push(Check::of("command line", Err(error.into()))),
    }
}

/// Checks that secrets are sealed, with keys of the settings.
async fn secrets(admin: &AdminStore, context: &Context) -> Result<Check, Failure> {
    admin.check_sealing().await?;
    let status = admin.sealing_status().await?;
    let Some(keys) = &context.settings.sealing_keys else {
        let text = "the secrets of webhooks are stored in clear, because SESSIONARY_SEALING_KEYS is not set";
        return Ok(Check::new("secrets", Status::Warn, text));
    };
    let current = keys.current();
    let older = status.data_keys.iter().any(|count| count.sealed_under != current);
    if status.clear_secrets > 0 || older {
        let text =
            format!("not every secret is sealed under the current key {current}; run `sessionary secrets rotate`");
        return Ok(Check::new("secrets", Status::Warn, text));
    }
    Ok(Check::new(
        "secrets",
        Status::Ok,
        format!("{} secrets are sealed under the key {current}", status.sealed_secrets),
    ))
}

fn tls(tls: &Tls) -> Check {
    match tls {
        Tls::Local => Check::new("tls", Status::Ok, "the connection to Postgres does not leave this machine"),
        Tls::Verified(version) => Check::new(
            "tls",
            Status::Ok,
            format!("the connection to Postgres uses {version}; its certificate is verified"),
        ),
        Tls::Unverified(version) => {
            let text = format!(
                "the connection to Postgres uses {version} with any certificate, so that another server could pose as \
                 it; set sslmode=verify-full, and sslrootcert if the certificate is of a private authority"
            );
            Check::new("tls", Status::Warn, text)
        }
        Tls::Off => {
            let text = "the connection to Postgres is not encrypted, because the URL says so; remove sslmode from it \
                        unless the network is trusted";
            Check::new("tls", Status::Warn, text)
        }
    }
}

/// Compares the database's clock with the middle of the time that the query took.
fn clock(began: Timestamp, ended: Timestamp, server: &Server) -> Check {
    let skew = server.now - (began + (ended - began) / 2);
    let text = format!("the database's clock differs by {} ms", skew.num_milliseconds());
    let status = match skew.abs() {
        skew if skew > MAX_SKEW => Status::Fail,
        skew if skew > WARN_SKEW + (ended - began) / 2 => Status::Warn,
        _ => Status::Ok,
    };
    let advice = if status == Status::Ok { "" } else { "; run NTP on both machines" };
    Check::new("clock", status, text + advice)
}

fn connections(server: &Server) -> Check {
    let (max, used) = (i64::from(server.max_connections), server.used_connections);
    let text = format!("{used} of {max} connections are in use; a replica takes {CONNECTIONS_OF_A_REPLICA}");
    let is_tight = max - used < CONNECTIONS_OF_A_REPLICA;
    Check::new("connections", if is_tight { Status::Warn } else { Status::Ok }, text)
}

fn migrations(schema: &Schema, place: &str) -> Check {
    if let Err(error) = schema.check(place) {
        return Check::new("schema", Status::Fail, error.to_string());
    }
    let (known, needed) = (newest_migration(), schema.needed());
    let text = format!(
        "{} migrations are applied; this program knows those up to {known:04}, and programs that know those up to \
         {needed:04} or later may run (`sessionary --version`)",
        schema.applied.len()
    );
    if !schema.changed.is_empty() {
        let changed: Vec<String> = schema.changed.iter().map(|version| format!("{version:04}")).collect();
        let text = format!("migrations {} were changed after they had been applied", changed.join(", "));
        return Check::new("schema", Status::Fail, text);
    }
    match schema.unknown().len() {
        0 => Check::new("schema", Status::Ok, text),
        count => Check::new(
            "schema",
            Status::Warn,
            format!("{text}; it does not know {count} of them, which are compatible"),
        ),
    }
}

fn name_of(role: DatabaseRole) -> &'static str {
    match role {
        DatabaseRole::App => "role app",
        DatabaseRole::System => "role system",
        DatabaseRole::Owner => "role owner",
    }
}

fn logged_in(role: DatabaseRole, login: &Login) -> Check {
    let Login { login: user, role: actual, bypasses_isolation } = login;
    let text = format!("{user} serves as {actual}");
    if role == DatabaseRole::App && *bypasses_isolation {
        let text =
            format!("{text}, which is a superuser or bypasses row-level security; give DATABASE_URL another login");
        return Check::new(name_of(role), Status::Fail, text);
    }
    if actual != role.as_str() {
        return Check::new(name_of(role), Status::Fail, format!("{text} and should serve as {}", role.as_str()));
    }
    Check::new(name_of(role), Status::Ok, text)
}

async fn isolation(home: &Home) -> Result<String, Failure> {
    let tables = home.database.table_isolation().await?;
    let open: Vec<&str> = tables.iter().filter(|table| !table.is_isolated).map(|table| table.name.as_str()).collect();
    if open.is_empty() && !tables.is_empty() {
        return Ok(format!("row-level security is forced on all {} tables", tables.len()));
    }
    Err(format!(
        "without forced row-level security: {}; the schema was changed by hand (ALTER TABLE … FORCE ROW LEVEL \
         SECURITY)",
        open.join(", ")
    )
    .into())
}

async fn backlog(admin: &AdminStore, now: Timestamp) -> Result<Check, Failure> {
    let backlog = admin.webhook_backlog(now, MAX_COUNTED).await?;
    let Some(oldest) = backlog.oldest_due else {
        return Ok(Check::new("webhooks", Status::Ok, "no delivery is late"));
    };
    let late = now - oldest;
    let count = if backlog.due == MAX_COUNTED { format!("{MAX_COUNTED} or more") } else { backlog.due.to_string() };
    let text = format!("{count} deliveries are due, one for {} s", late.num_seconds());
    let (status, advice) = if late > MAX_LATE {
        (Status::Warn, "; no replica runs, or its endpoints are slow (`sessionary webhook deliveries`)")
    } else {
        (Status::Ok, "")
    };
    Ok(Check::new("webhooks", status, text + advice))
}

async fn keys(admin: &AdminStore, now: Timestamp) -> Result<Check, Failure> {
    let days = KEY_EXPIRY_WARNING.num_days();
    let mut keys = admin.expiring_keys(now, now + KEY_EXPIRY_WARNING, MAX_KEYS + 1).await?;
    if keys.is_empty() {
        return Ok(Check::new("API keys", Status::Ok, format!("no key ends within {days} days")));
    }
    let more = if keys.len() as i64 > MAX_KEYS { ", and more" } else { "" };
    keys.truncate(MAX_KEYS as usize);
    let listed: Vec<String> = keys
        .iter()
        .map(|key| {
            let used = key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", date(at)));
            format!("{} ({:?} of {}) ends {}, {used}", key.key_id, key.name, key.org_id, date(key.expires_at))
        })
        .collect();
    let text = format!(
        "keys end within {days} days: {}{more}; `sessionary key rotate ID --overlap 24h` replaces one",
        listed.join(", ")
    );
    Ok(Check::new("API keys", Status::Warn, text))
}

fn date(at: Timestamp) -> String {
    at.format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(now: Timestamp) -> Server {
        let version = "17.2".to_owned();
        Server {
            version,
            now,
            database_bytes: 0,
            max_connections: 100,
            used_connections: 81,
            is_read_only: false,
            tls_version: None,
        }
    }

    #[test]
    fn clocks_that_differ_are_noticed() {
        let now = chrono::DateTime::from_timestamp(1_777_453_200, 0).unwrap();
        let status = |milliseconds| {
            let database = server(now + TimeDelta::milliseconds(milliseconds));
            clock(now - TimeDelta::milliseconds(10), now + TimeDelta::milliseconds(10), &database).status
        };
        for (milliseconds, expected) in
            [(0, Status::Ok), (900, Status::Ok), (-1_500, Status::Warn), (29_000, Status::Warn), (31_000, Status::Fail)]
        {
            assert_eq!(status(milliseconds), expected, "{milliseconds} ms");
        }
        assert_eq!(connections(&server(now)).status, Status::Warn);
    }

    #[test]
    fn a_role_that_is_another_or_too_strong_fails() {
        let login =
            |role: &str, bypasses_isolation| Login { login: "u".to_owned(), role: role.to_owned(), bypasses_isolation };
        assert_eq!(logged_in(DatabaseRole::App, &login("sessionary_app", false)).status, Status::Ok);
        assert_eq!(logged_in(DatabaseRole::App, &login("sessionary_app", true)).status, Status::Fail);
        assert_eq!(logged_in(DatabaseRole::System, &login("u", false)).status, Status::Fail);
    }
}
