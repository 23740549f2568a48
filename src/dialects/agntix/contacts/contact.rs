//! The wire types of a contact (docs/dialects/agntix.md).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dialects::agntix::AgntixError;
use crate::dialects::agntix::validate::{metadata, text};
use crate::dialects::shared::time::Seconds;
use crate::domain::{Contact, JsonField, JsonText, Organization, Patch, Timestamp};

/// Characters of an external id, a name, a phone number and a tag. The external id is indexed.
const WORD_LIMIT: usize = 255;
/// Characters of an e-mail address (RFC 5321).
const EMAIL_LIMIT: usize = 320;
const MAX_TAGS: usize = 100;

/// The members of a contact in a create or an update. Null removes a member.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactBody {
    /// The client's own customer id, unique among the organization's contacts; 1 to 255 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    external_id: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    phone: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: JsonField,
    /// At most 4,096 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// At most 100, of at most 255 characters each.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: JsonField,
}

/// Members that were checked. `None`: not sent.
#[derive(Clone, Debug, Default)]
pub(in crate::dialects::agntix) struct ContactChanges {
    external_id: Patch<String>,
    name: Patch<String>,
    phone: Patch<String>,
    email: Patch<String>,
    metadata: Option<JsonText>,
    tags: Option<Vec<String>>,
}

fn member(given: JsonField, name: &str, limit: usize) -> Result<Patch<String>, AgntixError> {
    if given.is_absent() { Ok(Patch::Keep) } else { text(given, name, limit).map(Patch::from) }
}

fn tags(given: &JsonField) -> Result<Option<Vec<String>>, AgntixError> {
    let invalid = || AgntixError::Validation("tags must be an array of at most 100 strings".to_owned());
    let tags: Vec<String> = match given {
        JsonField::Absent => return Ok(None),
        JsonField::Null => Vec::new(),
        JsonField::Array(tags) => tags.read().map_err(|_| invalid())?,
        _ => return Err(invalid()),
    };
    let fits = tags.len() <= MAX_TAGS && tags.iter().all(|tag| tag.chars().count() <= WORD_LIMIT);
    if fits { Ok(Some(tags)) } else { Err(invalid()) }
}

impl ContactBody {
    pub(in crate::dialects::agntix) fn validate(self) -> Result<ContactChanges, AgntixError> {
        let external_id = member(self.external_id, "externalId", WORD_LIMIT)?;
        if external_id.as_set().is_some_and(String::is_empty) {
            return Err(AgntixError::Validation("externalId should not be empty".to_owned()));
        }
        Ok(ContactChanges {
            external_id,
            name: member(self.name, "name", WORD_LIMIT)?,
            phone: member(self.phone, "phone", WORD_LIMIT)?,
            email: member(self.email, "email", EMAIL_LIMIT)?,
            metadata: if self.metadata.is_absent() { None } else { Some(metadata(self.metadata)?) },
            tags: tags(&self.tags)?,
        })
    }
}

impl ContactChanges {
    /// Returns a new contact with these members.
    pub(in crate::dialects::agntix) fn contact(&self, id: Uuid, created_at: Timestamp) -> Contact {
        let mut contact = Contact {
            id,
            external_id: None,
            name: None,
            phone: None,
            email: None,
            metadata: JsonText::empty_object(),
            tags: Vec::new(),
            created_at,
        };
        self.apply(&mut contact);
        contact
    }

    pub(in crate::dialects::agntix) fn apply(&self, contact: &mut Contact) {
        self.external_id.clone().apply_to(&mut contact.external_id);
        self.name.clone().apply_to(&mut contact.name);
        self.phone.clone().apply_to(&mut contact.phone);
        self.email.clone().apply_to(&mut contact.email);
        if let Some(metadata) = &self.metadata {
            contact.metadata.clone_from(metadata);
        }
        if let Some(tags) = &self.tags {
            contact.tags.clone_from(tags);
        }
    }
}

/// A contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatContact {
    id: Uuid,
    external_id: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    #[schema(value_type = Object)]
    metadata: JsonText,
    tags: Vec<String>,
    org_id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
}

impl ChatContact {
    pub(in crate::dialects::agntix) fn new(contact: Contact, organization: &Organization) -> Self {
        Self {
            id: contact.id,
            external_id: contact.external_id,
            name: contact.name,
            phone: contact.phone,
            email: contact.email,
            metadata: contact.metadata,
            tags: contact.tags,
            org_id: organization.public_id(),
            created_at: Seconds(contact.created_at),
        }
    }
}
