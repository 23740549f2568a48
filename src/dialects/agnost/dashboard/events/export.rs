//! Events as CSV, all of them.
//!
//! Rows are read and written in pieces of at most 1,000 rows and about 4 MiB. The next piece is only read when the
//! last has been sent, so that no more than a piece and one row is in memory however long the file is.

use axum::BoxError;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::filters::Asked;
use crate::dialects::agnost::dashboard::order;
use crate::dialects::agnost::events::event::CapturedEvent;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::dialects::shared::csv;
use crate::http::CostlyWork;
use crate::store::{CaptureFilter, CapturedRow, Cursor, LogKind, StoreError, TenantStore};

/// Which events are still to be written.
enum Remaining {
    /// Those after the cursor, or all.
    After(Option<Cursor>),
    Nothing,
}

/// A file that is being written.
struct Export {
    store: TenantStore,
    costly: CostlyWork,
    filter: CaptureFilter,
    kind: LogKind,
    remaining: Remaining,
}

impl Export {
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, BoxError> {
        let Remaining::After(from) = self.remaining else { return Ok(None) };
        let (mut rows, next) = self.store.captures().piece(&self.filter, self.kind, from).await?;
        order::newest_first(&mut rows);
        let text = self.costly.run(move || written(rows, from.is_none())).await;
        let text = text.map_err(|_| "the rows could not be written")??;
        self.remaining = next.map_or(Remaining::Nothing, |last| Remaining::After(Some(last)));
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

pub async fn export(
    costly: CostlyWork,
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
    kind: LogKind,
    file: &'static str,
) -> Result<Response, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let remaining = Remaining::After(asked.cursor);
    let export = Export { store: caller.store, costly, filter: asked.filter, kind, remaining };
    // An error ends the body without its last chunk, so that a client can see that the file is incomplete.
    let body = Body::from_stream(stream::try_unfold(export, Export::piece));
    Ok(csv::download(file, body))
}
