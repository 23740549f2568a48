//! `GET /sessionary/v1/exports`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

use super::gzip::{self, Encoder};
use super::line::ExportLine;
use super::stream::{Export, Format};
use super::{ExportPermits, csv};
use crate::auth::{Authenticator, Caller, purpose};
use crate::dialects::sessionary::page::List;
use crate::dialects::sessionary::problem::SessionaryError;
use crate::dialects::sessionary::query::{Query, RawQuery, invalid, once, repeated};
use crate::dialects::sessionary::{Sessionary, users};
use crate::domain::{AgentId, DialectName};
use crate::http::CostlyWork;
use crate::store::ExportFilter;

fn filter(query: &Query) -> Result<ExportFilter, SessionaryError> {
    let mut dialects = Vec::new();
    for name in query.texts("dialect") {
        dialects.push(name.parse::<DialectName>().map_err(|error| invalid("dialect", error.to_string()))?);
    }
    dialects.sort_unstable();
    dialects.dedup();
    if dialects.is_empty() {
        dialects = DialectName::ALL.to_vec();
    }
    let agent: Option<AgentId> = query.parsed("agent_id", "a UUID")?;
    if agent.is_some() {
        // Captured sessions belong to no agent.
        dialects.retain(|dialect| *dialect != DialectName::Agnost);
    }
    let user = query.text("user_id").map(|user| users::user_id(user.to_owned())).transpose();
    Ok(ExportFilter {
        dialects,
        user: user.map_err(|detail| invalid("user_id", detail))?,
        agent,
        created_after: query.time("created_after")?,
        created_before: query.time("created_before")?,
    })
}

/// Export sessions
///
/// Streams the sessions of the organization with their events, sorted by dialect and time of creation; those of one user
/// by their time alone. A line of `jsonl` is a session with its events; a session with more than about 1 MiB of events
/// continues on further lines without `session`. The lines can be imported again. `csv` has a row for each event.
///
/// A body that ends without its last chunk is incomplete: continue with `after`, the `cursor` of the last whole line. An
/// organization may have two exports at once on each replica, and reads them at the rate of its other responses. An export
/// ends with its credential.
#[utoipa::path(
    get,
    path = "/sessionary/v1/exports",
    params(
        ("format" = Option<String>, Query, description = "`jsonl` (the default) or `csv`."),
        ("dialect" = Option<String>, Query, description = "Only sessions of this dialect; repeatable, or separated by commas."),
        ("user_id" = Option<String>, Query, description = "Only sessions of this user."),
        ("agent_id" = Option<String>, Query, description = "Only sessions with this agent."),
        ("created_after" = Option<String>, Query, description = "Only sessions that were created at this time or later."),
        ("created_before" = Option<String>, Query, description = "Only sessions that were created before this time."),
        ("after" = Option<String>, Query, description = "Continues after the line with this `cursor`, with the same filters."),
        ("Accept-Encoding" = Option<String>, Header, description = "`gzip` compresses the body."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The lines.", content(
        (ExportLine = "application/x-ndjson"),
        (String = "text/csv"),
    )))
)]
#[tracing::instrument(name = "sessionary.export", level = "debug", skip_all)]
pub async fn export(
    State(permits): State<ExportPermits>,
    State(costly): State<CostlyWork>,
    State(authenticator): State<Arc<Authenticator>>,
    caller: Caller<Sessionary, purpose::Export>,
    raw: RawQuery,
    headers: HeaderMap,
) -> Result<Response, SessionaryError> {
    let filters = [
        once("format"),
        repeated("dialect"),
        once("user_id"),
        once("agent_id"),
        once("created_after"),
        once("created_before"),
    ];
    let list = List::after_lines(&raw, caller.store.org(), &filters)?;
    let format = match list.query().text("format") {
        None | Some("jsonl") => Format::JsonLines,
        Some("csv") => Format::Csv,
        Some(_) => return Err(invalid("format", "must be jsonl or csv")),
    };
    let filter = filter(list.query())?;
    let after = list.after()?;
    let permit = permits.export(caller.store.org())?;
    caller.store.exports().record().await?;
    let is_packed = gzip::is_accepted(&headers);
    let export = Export {
        store: caller.store,
        authenticator,
        principal: caller.principal,
        costly,
        list: Arc::new(list),
        filter,
        format,
        encoder: if is_packed { Encoder::gzip() } else { Encoder::Plain },
        after,
        is_first: true,
        _permit: permit,
    };
    let mut response = Response::new(export.into_body());
    let (content_type, disposition) = match format {
        Format::JsonLines => ("application/x-ndjson", "attachment; filename=\"sessions.jsonl\""),
        Format::Csv => (csv::CONTENT_TYPE, "attachment; filename=\"sessions.csv\""),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
