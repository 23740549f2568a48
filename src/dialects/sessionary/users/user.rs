//! The wire type of a user.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::shared::time::Milliseconds;
use crate::store::UserRow;

/// One to whom sessions belong.
#[derive(Serialize, ToSchema)]
pub struct User {
    #[schema(example = "user_42")]
    id: String,
    /// When the first of the user's sessions was created.
    #[schema(value_type = String, format = DateTime)]
    first_seen_at: Milliseconds,
    /// When the latest was.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Milliseconds,
    /// How many sessions the user has, counted up to 1,000.
    #[schema(example = 3)]
    sessions: i64,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            first_seen_at: Milliseconds(row.first_seen_at),
            last_seen_at: Milliseconds(row.last_seen_at),
            sessions: row.sessions,
        }
    }
}
