//! `POST /dashboard/api/raw-logs/export` and `errors/export`: all matching events as CSV.
//!
//! Rows are read and written in pieces of at most 1,000 rows and about 4 MiB. The next piece is only read when the
//! client has received the previous one, so that a file of any length needs no more memory than a piece and one row.

use axum::BoxError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;

use super::super::events::event::CapturedEvent;
use super::super::{Agnost, AgnostError};
use super::filters::{Asked, QueryFilters};
use crate::auth::{Caller, purpose};
use crate::dialects::shared::csv;
use crate::http::CostlyWork;
use crate::store::{CaptureFilter, CapturedRow, Cursor, StoreError, TenantStore};

/// The state of an export.
struct Export {
    store: TenantStore,
    costly: CostlyWork,
    filter: CaptureFilter,
    errors_only: bool,
    /// The cursor of the next piece; `None` after the last piece.
    from: Option<Option<Cursor>>,
}

impl Export {
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, BoxError> {
        let Some(from) = self.from else { return Ok(None) };
        let (rows, next) = self.store.captures().piece(&self.filter, self.errors_only, from).await?;
        let text = self.costly.run(move || written(rows, from.is_none())).await;
        let text = text.map_err(|_| "the rows could not be written")??;
        self.from = next.map(Some);
        Ok(Some((text, self)))
    }
}

/// Returns rows as CSV, with a header before the first piece.
fn written(rows: Vec<CapturedRow>, is_first: bool) -> Result<Bytes, StoreError> {
    let mut text = String::new();
    if is_first {
        text.push_str(&csv::head(CapturedEvent::COLUMNS));
    }
    for row in rows {
        let cells = CapturedEvent::of(row)?.cells();
        text.push_str(&csv::row(cells.iter().map(String::as_str)));
    }
    Ok(Bytes::from(text))
}

async fn export(
    costly: CostlyWork,
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
    errors_only: bool,
    file: &'static str,
) -> Result<Response, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let export = Export { store: caller.store, costly, filter: asked.filter, errors_only, from: Some(asked.cursor) };
    // An error ends the body without its last chunk, so that a client can see that the file is incomplete.
    let body = Body::from_stream(stream::try_unfold(export, Export::piece));
    Ok(csv::download(file, body))
}

/// Raw logs as CSV
///
/// Every event of the window, newest first. `page` and `page_size` are ignored.
#[utoipa::path(
    post,
    path = "/dashboard/api/raw-logs/export",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A CSV file in UTF-8, with a byte order mark.", body = String, content_type = "text/csv"),
    )
)]
#[tracing::instrument(name = "agnost.export_raw_logs", level = "debug", skip_all)]
pub async fn export_raw_logs(
    State(costly): State<CostlyWork>,
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Response, AgnostError> {
    export(costly, caller, request, false, "attachment; filename=\"raw-logs.csv\"").await
}

/// Errors as CSV
///
/// Every event of the window that failed, newest first. `page` and `page_size` are ignored.
#[utoipa::path(
    post,
    path = "/dashboard/api/errors/export",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A CSV file in UTF-8, with a byte order mark.", body = String, content_type = "text/csv"),
    )
)]
#[tracing::instrument(name = "agnost.export_errors", level = "debug", skip_all)]
pub async fn export_errors(
    State(costly): State<CostlyWork>,
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Response, AgnostError> {
    export(costly, caller, request, true, "attachment; filename=\"errors.csv\"").await
}
