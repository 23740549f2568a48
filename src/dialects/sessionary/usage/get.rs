//! `GET /sessionary/v1/usage`.

use chrono::{Days, NaiveDate};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::query::{RawQuery, invalid, once};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{AgentId, KeyId};
use crate::http::Reply;
use crate::store::{USAGE_DAYS, UsageBy, UsageGroup};

/// Days of a response to a request without `from`.
const DEFAULT_DAYS: u64 = 30;

/// What was used, in groups.
#[derive(Serialize, ToSchema)]
pub struct Usage {
    /// At most 1,000: days in their order, others with the most first.
    data: Vec<UsageRow>,
}

/// What was used of one day, agent, key or dialect. The members of other groupings are missing.
#[derive(Serialize, ToSchema)]
struct UsageRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-04-29")]
    day: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    dialect: Option<&'static str>,
    /// `null` for what belongs to no agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    agent_id: Option<Option<AgentId>>,
    /// `null` for what no key has done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    key_id: Option<Option<KeyId>>,
    /// Sessions that were created.
    sessions: i64,
    /// Events that were appended.
    events: i64,
    /// Requests with a valid credential, those of this API included.
    requests: i64,
    /// How many of these requests had an error as their response: a status of 400 or more.
    errors: i64,
}

impl UsageRow {
    fn new(group: UsageGroup, by: UsageBy) -> Self {
        Self {
            day: group.day,
            dialect: group.dialect.map(|dialect| dialect.as_str()),
            agent_id: (by == UsageBy::Agent).then_some(group.agent),
            key_id: (by == UsageBy::Key).then_some(group.key),
            sessions: group.amounts.sessions,
            events: group.amounts.events,
            requests: group.amounts.requests,
            errors: group.amounts.errors,
        }
    }
}

/// Get the usage
///
/// Sessions, events, requests and errors by day (in UTC), agent, key or dialect. It is counted within about a second, and
/// stored for 400 days.
#[utoipa::path(
    get,
    path = "/sessionary/v1/usage",
    params(
        ("from" = Option<String>, Query, description = "The first day, such as 2026-04-01; by default 30 days with `to`."),
        ("to" = Option<String>, Query, description = "The last day; by default today. At most 400 days."),
        ("by" = Option<String>, Query, description = "`day` (the default), `agent`, `key` or `dialect`."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The usage.", body = Usage))
)]
#[tracing::instrument(name = "sessionary.get_usage", level = "debug", skip_all)]
pub async fn get_usage(
    caller: Caller<Sessionary, purpose::ReadSettings>,
    raw: RawQuery,
) -> Result<Reply<Usage>, SessionaryError> {
    let query = raw.with(&[once("from"), once("to"), once("by")])?;
    let by = match query.text("by") {
        None | Some("day") => UsageBy::Day,
        Some("agent") => UsageBy::Agent,
        Some("key") => UsageBy::Key,
        Some("dialect") => UsageBy::Dialect,
        Some(_) => return Err(invalid("by", "must be day, agent, key or dialect")),
    };
    let day = |name| query.parsed::<NaiveDate>(name, "a day such as 2026-04-29");
    let last = day("to")?.unwrap_or_else(|| caller.now().date_naive());
    let first = day("from")?.or_else(|| last.checked_sub_days(Days::new(DEFAULT_DAYS - 1))).unwrap_or(last);
    if first > last || (last - first).num_days() >= USAGE_DAYS {
        return Err(invalid("from", format!("must be at most {} days before to, and not after it", USAGE_DAYS - 1)));
    }
    let groups = caller.store.usage_days(first, last, by).await?;
    let data = groups.into_iter().map(|group| UsageRow::new(group, by)).collect();
    Ok(Reply(StatusCode::OK, Usage { data }))
}
