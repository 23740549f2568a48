//! The wire type of an erasure: its receipt.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::shared::time::Milliseconds;
use crate::domain::{DialectName, ErasureId};
use crate::store::admin::Receipt;

/// A requested erasure, and what it has deleted. It contains no personal data.
#[derive(Clone, Serialize, ToSchema)]
pub struct Erasure {
    #[schema(value_type = uuid::Uuid)]
    id: ErasureId,
    /// `user`, `session`, `organization`, or `retention` for the sessions of a dialect that had not changed for long.
    #[schema(value_type = String, example = "user")]
    subject: &'static str,
    /// The HMAC-SHA256 of the user's or session's id, in hexadecimal. Its key is `proof`.
    subject_hash: Option<String>,
    /// The dialect whose sessions retention has deleted.
    #[schema(value_type = Option<String>)]
    dialect: Option<&'static str>,
    state: ErasureState,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Milliseconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Milliseconds>,
    /// How many rows of each table were deleted so far.
    #[schema(example = json!({"sessions": 2, "session_events": 17}))]
    deleted: BTreeMap<String, u64>,
    /// The key of `subject_hash`, 32 bytes in hexadecimal, which shows that the receipt is this user's. It is in the
    /// response to the request only, and it is not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ErasureState {
    Running,
    /// What was in progress at the request is erased five minutes later.
    Settling,
    Done,
}

impl Erasure {
    /// Returns the erasure with its proof.
    pub(super) fn with_proof(self, proof: String) -> Self {
        Self { proof: Some(proof), ..self }
    }
}

impl From<Receipt> for Erasure {
    fn from(receipt: Receipt) -> Self {
        let state = match (receipt.done_at, receipt.is_second_pass) {
            (Some(_), _) => ErasureState::Done,
            (None, true) => ErasureState::Settling,
            (None, false) => ErasureState::Running,
        };
        Self {
            id: receipt.id,
            subject: receipt.scope.as_str(),
            subject_hash: receipt.subject_hash.as_deref().map(hex::encode),
            dialect: receipt.dialect.map(DialectName::as_str),
            state,
            requested_at: Milliseconds(receipt.requested_at),
            finished_at: receipt.done_at.map(Milliseconds),
            deleted: receipt.counts,
            proof: None,
        }
    }
}
