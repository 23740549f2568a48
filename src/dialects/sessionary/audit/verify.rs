//! `GET /sessionary/v1/audit/verification`.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::List;
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::Reply;
use crate::store::{AuditPosition, Fault, Head, Verified};

/// The result of checking a part of the audit log.
#[derive(Serialize, ToSchema)]
pub struct AuditVerification {
    /// How many entries were checked.
    entries: i64,
    /// Whether no entry of this part is missing or changed.
    is_complete: bool,
    /// The first 100 of them.
    faults: Vec<AuditFault>,
    /// The newest entry, once all were checked. Store its hash elsewhere: a log that was written again as a whole has
    /// another one.
    head: Option<AuditHead>,
    /// Continues the check; `null` once all entries were checked.
    next_cursor: Option<String>,
}

/// Something that is wrong with the log.
#[derive(Serialize, ToSchema)]
struct AuditFault {
    /// `missing`, `changed`, `unlinked` (it does not continue the entry before it) or `head` (the newest entry is not
    /// the one that was recorded as such).
    #[schema(example = "missing")]
    kind: &'static str,
    /// The first and the last number that it is about.
    first: i64,
    last: i64,
}

impl From<Fault> for AuditFault {
    fn from(fault: Fault) -> Self {
        let (kind, first, last) = match fault {
            Fault::Missing { first, last } => ("missing", first, last),
            Fault::Changed { number } => ("changed", number, number),
            Fault::Unlinked { number } => ("unlinked", number, number),
            Fault::Head { number } => ("head", number, number),
        };
        Self { kind, first, last }
    }
}

#[derive(Serialize, ToSchema)]
struct AuditHead {
    number: i64,
    /// In hexadecimal.
    hash: String,
}

impl From<Head> for AuditHead {
    fn from(Head { number, hash }: Head) -> Self {
        Self { number, hash }
    }
}

/// Verify the audit log
///
/// Computes the hashes of the entries again, the oldest first, 5,000 in one request. The log is complete if every part
/// of it is.
#[utoipa::path(
    get,
    path = "/sessionary/v1/audit/verification",
    params(("cursor" = Option<String>, Query, description = "`next_cursor` of the part before.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The result.", body = AuditVerification))
)]
#[tracing::instrument(name = "sessionary.verify_audit", level = "debug", skip_all)]
pub async fn verify_audit(
    caller: Caller<Sessionary, purpose::ReadAudit>,
    raw: RawQuery,
) -> Result<Reply<AuditVerification>, SessionaryError> {
    let list = List::in_parts(&raw, caller.store.org())?;
    let from: Option<AuditPosition> = list.after()?;
    let (Verified { entries, head, faults, .. }, next) = caller.store.audit_log().verify(from).await?;
    let verification = AuditVerification {
        entries,
        is_complete: faults.is_empty(),
        faults: faults.into_iter().map(AuditFault::from).collect(),
        head: head.map(AuditHead::from),
        next_cursor: next.and_then(|position| list.cursor(&position)),
    };
    Ok(Reply(StatusCode::OK, verification))
}
