//! The wire type of an entry of the audit log.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::shared::time::Milliseconds;
use crate::domain::JsonText;
use crate::store::{AuditRow, StoreError};

/// An act that changed or deleted something of the organization.
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    /// Counted from 1 without gaps.
    number: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Milliseconds,
    #[schema(example = "api_key.create")]
    action: String,
    actor: AuditActor,
    /// The client's address.
    address: Option<String>,
    request_id: Option<String>,
    /// What the act was done to.
    #[schema(example = "api_key/0197f1f0-5a4b-4c0e-9b1e-6f1d2f3a4b5c")]
    object: String,
    #[schema(value_type = Option<Object>)]
    before: Option<JsonText>,
    #[schema(value_type = Option<Object>)]
    after: Option<JsonText>,
    /// The SHA-256 of the entry and of the hash before it, in hexadecimal.
    hash: String,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
struct AuditActor {
    /// `api_key`, `token`, `command_line`, `organization_header`, `anonymous` or `service`.
    #[schema(example = "api_key")]
    kind: String,
    /// The id of the key, the subject of the token, or the user of the command line.
    id: Option<String>,
    /// The issuer of the token.
    issuer: Option<String>,
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, Self::Error> {
        Ok(Self {
            number: row.number,
            at: Milliseconds(row.at),
            action: row.action,
            actor: AuditActor { kind: row.actor_kind, id: row.actor, issuer: row.issuer },
            address: row.address,
            request_id: row.request_id,
            object: row.target,
            before: row.before.map(JsonText::stored).transpose()?,
            after: row.after.map(JsonText::stored).transpose()?,
            hash: row.hash,
        })
    }
}
