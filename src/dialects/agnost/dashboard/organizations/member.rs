//! A member of an organization.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::shared::time::Milliseconds;
use crate::store::MemberRow;

/// A member of the organization.
#[derive(Serialize, ToSchema)]
pub struct Member {
    email: String,
    #[schema(value_type = String)]
    added_at: Milliseconds,
}

impl Member {
    pub fn of(row: MemberRow) -> Self {
        Self { email: row.email, added_at: Milliseconds(row.added_at) }
    }
}
