//! The contacts of an organization.

use uuid::Uuid;

use super::{JsonText, Timestamp};

/// A customer of an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    pub id: Uuid,
    /// The organization's own customer id, unique among its contacts.
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub metadata: JsonText,
    pub tags: Vec<String>,
    pub created_at: Timestamp,
}
