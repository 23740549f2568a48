//! `POST /sessionary/v1/imports`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::importer::{ImportResult, ImportRights, Importer};
use crate::auth::{Authenticator, Caller, purpose};
use crate::dialects::sessionary::exports::ExportPermits;
use crate::dialects::sessionary::exports::line::ExportLine;
use crate::dialects::sessionary::query::{RawQuery, invalid, once};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::Scope;
use crate::http::{CostlyWork, Rejection, Reply, unpacked};

/// How long one request imports. The time limit of a handler is 30 seconds.
const TIME: Duration = Duration::from_secs(20);
/// How often the credential is checked again.
const CHECKED_EVERY: Duration = Duration::from_secs(1);

/// Import sessions
///
/// Stores the lines of an export, in this organization or another one, one after another: each line is stored as a whole
/// or not at all. A line that exists is `existing`, so that an import can be repeated; an invalid one is rejected by its
/// number, and the next one is stored. A line has at most 8 MiB. One request imports for 20 seconds: if `is_complete` is
/// false, send the body again from `next_line` on.
///
/// Lines with events need the scope `events:write`. An agent that does not exist is created, with the scope `agents:write`, with its key and the organization's default
/// responder, and with another number if its own is in use. An import notifies no webhook and no event stream.
/// `Idempotency-Key` is not needed and is ignored.
#[utoipa::path(
    post,
    path = "/sessionary/v1/imports",
    params(("dry_run" = Option<bool>, Query, description = "`true` stores nothing and returns what would be stored.")),
    request_body(content = ExportLine, content_type = "application/x-ndjson", description = "Lines of an export."),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The result.", body = ImportResult))
)]
#[tracing::instrument(name = "sessionary.import", level = "debug", skip_all)]
pub async fn import(
    State(permits): State<ExportPermits>,
    State(costly): State<CostlyWork>,
    State(authenticator): State<Arc<Authenticator>>,
    caller: Caller<Sessionary, purpose::WriteSessions>,
    raw: RawQuery,
    request: Request,
) -> Result<Reply<ImportResult>, SessionaryError> {
    let until = Instant::now() + TIME;
    let scopes = &caller.principal.scopes;
    let rights =
        ImportRights { write_events: scopes.has(Scope::EventsWrite), write_agents: scopes.has(Scope::AgentsWrite) };
    let query = raw.with(&[once("dry_run")])?;
    let is_dry_run = match query.text("dry_run") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("dry_run", "must be true or false")),
    };
    let _permit = permits.import(caller.store.org())?;
    let mut body = unpacked(request)?.into_body();
    let mut importer = Importer::new(caller.store, caller.mint, costly, rights, is_dry_run);
    let mut checked_at = Instant::now();
    loop {
        let frame = match tokio::time::timeout_at(until, body.frame()).await {
            Ok(Some(frame)) => frame.map_err(|_| Rejection::UnreadableBody)?,
            Ok(None) => return Ok(Reply(StatusCode::OK, importer.finish().await?)),
            Err(_elapsed) => return Ok(Reply(StatusCode::OK, importer.pause())),
        };
        let Ok(bytes) = frame.into_data() else { continue };
        importer.push(&bytes);
        while importer.step().await? {
            if Instant::now() >= until {
                return Ok(Reply(StatusCode::OK, importer.pause()));
            }
            if checked_at.elapsed() >= CHECKED_EVERY {
                checked_at = Instant::now();
                if !authenticator.still_holds(&caller.principal).await? {
                    return Ok(Reply(StatusCode::OK, importer.pause()));
                }
            }
        }
    }
}
