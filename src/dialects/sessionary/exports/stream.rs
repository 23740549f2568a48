//! Sends an export piece by piece. The next piece is read when the last one was sent, so that a client that does not read
//! uses no connection of the database and at most a piece in memory.

use std::sync::Arc;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use futures::stream;

use super::csv;
use super::gzip::Encoder;
use super::line::ExportLine;
use crate::auth::Authenticator;
use crate::dialects::sessionary::page::List;
use crate::domain::{Permit, Principal};
use crate::http::CostlyWork;
use crate::store::{ExportFilter, ExportPosition, ExportedPart, TenantStore};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    JsonLines,
    Csv,
}

/// An export that is being sent.
pub(super) struct Export {
    pub store: TenantStore,
    pub authenticator: Arc<Authenticator>,
    pub principal: Principal,
    pub costly: CostlyWork,
    pub list: Arc<List>,
    pub filter: ExportFilter,
    pub format: Format,
    pub encoder: Encoder,
    pub after: Option<ExportPosition>,
    /// Whether nothing was sent yet.
    pub is_first: bool,
    pub _permit: Permit,
}

impl Export {
    /// Returns the body. An error ends it without its last chunk, so that the client can see that it is incomplete.
    pub fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(Some(self), Self::next))
    }

    async fn next(export: Option<Self>) -> Result<Option<(Bytes, Option<Self>)>, BoxError> {
        let Some(mut export) = export else { return Ok(None) };
        let parts = loop {
            if !export.authenticator.still_holds(&export.principal).await? {
                return Err("the credential has ended".into());
            }
            let piece = export.store.exports().piece(&export.filter, export.after).await?;
            let Some(next) = piece.next else {
                let mut end = if export.is_first { export.head() } else { Vec::new() };
                end = export.encoder.piece(end)?;
                end.extend(export.encoder.finish()?);
                return Ok(Some((Bytes::from(end), None)));
            };
            export.after = Some(next);
            if !piece.parts.is_empty() {
                break piece.parts;
            }
        };
        let costly = export.costly.clone();
        let written = costly.run(move || export.written(parts)).await;
        let (bytes, export) = written.map_err(|_| "the sessions could not be written")??;
        Ok(Some((bytes, Some(export))))
    }

    fn head(&self) -> Vec<u8> {
        match self.format {
            Format::JsonLines => Vec::new(),
            Format::Csv => csv::head().into_bytes(),
        }
    }

    fn written(mut self, parts: Vec<ExportedPart>) -> Result<(Bytes, Self), BoxError> {
        let mut text = if self.is_first { self.head() } else { Vec::new() };
        self.is_first = false;
        for part in parts {
            let cursor = self.list.cursor(&part.position);
            match self.format {
                Format::JsonLines => ExportLine::new(part, cursor).write(&mut text)?,
                Format::Csv => csv::write(&part, cursor.as_deref(), &mut text),
            }
        }
        let bytes = Bytes::from(self.encoder.piece(text)?);
        Ok((bytes, self))
    }
}
