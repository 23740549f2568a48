//! The contacts of one organization.

use uuid::Uuid;

use super::bytes::{self, MAX_PAGE_BYTES, Page, Weighed, json_bytes, optional_json_bytes};
use super::error::violates;
use super::scope::PooledTransaction;
use super::{StoreError, TenantStore, keyset, scope};
use crate::domain::{Contact, JsonText, OrgId, Timestamp};

/// Limit of contacts that one call reads: the newest.
pub const CONTACT_WINDOW: i64 = 10_000;

/// A contact's position in the organization's list.
pub type ContactCursor = (Timestamp, Uuid);

pub struct Contacts<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn contacts(&self) -> Contacts<'_> {
        Contacts(self)
    }
}

/// The outcome of a write to a contact.
#[derive(Debug, PartialEq)]
pub enum Kept {
    Kept(Contact),
    /// Another contact has its external id.
    Taken,
    /// There is no such contact.
    Gone,
}

/// A page of contacts, newest first.
#[derive(Debug)]
pub struct ContactPage {
    pub contacts: Vec<Contact>,
    /// How many of the contacts that were read match the search.
    pub total: i64,
    /// The cursor of the next page: the last contact that was read, if there may be more after it; or the last of the
    /// page, if it was cut because of its bytes.
    pub next: Option<ContactCursor>,
}

/// Identifies the contacts that a list reads, whatever the page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ContactWindowKey {
    org: OrgId,
    search: Option<String>,
    after: Option<ContactCursor>,
}

/// What is cached of the contacts that a list reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContactWindow {
    /// How many of them match the search.
    total: i64,
    /// The last one, if there may be more after it.
    end: Option<ContactCursor>,
    /// The time of the oldest one that matches; of the newest one if none does. A page reads no further: contacts that
    /// were created since are newer.
    farthest: Option<Timestamp>,
}

struct CountedContacts {
    seen: i64,
    total: i64,
    last_at: Option<Timestamp>,
    last_id: Option<Uuid>,
    first: Option<Timestamp>,
    oldest_fit: Option<Timestamp>,
}

struct ContactRow {
    contact_id: Uuid,
    external_id: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    metadata: String,
    tags: Vec<String>,
    created_at: Timestamp,
}

impl Weighed for ContactRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.external_id, &self.name, &self.phone, &self.email];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + self.tags.iter().map(|tag| json_bytes(tag) + 3).sum::<usize>() + self.metadata.len()
    }
}

impl TryFrom<ContactRow> for Contact {
    type Error = StoreError;

    fn try_from(row: ContactRow) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.contact_id,
            external_id: row.external_id,
            name: row.name,
            phone: row.phone,
            email: row.email,
            metadata: JsonText::stored(row.metadata)?,
            tags: row.tags,
            created_at: row.created_at,
        })
    }
}

/// Returns the bytes of a contact that count against the storage quota.
fn counted_bytes(contact: &Contact) -> usize {
    let texts = [&contact.external_id, &contact.name, &contact.phone, &contact.email];
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    texts + contact.metadata.as_str().len() + contact.tags.iter().map(String::len).sum::<usize>()
}

/// Returns whether the error is a violation of the unique index of external ids.
fn is_taken(error: &sqlx::Error) -> bool {
    violates(error, "contacts_external_id")
}

impl Contacts<'_> {
    /// Stores a new contact. Storing a contact with the same id again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::StorageFull`] when the
    /// organization's storage quota is used up.
    pub async fn create(&self, new: &Contact) -> Result<Kept, StoreError> {
        self.0.has_room()?;
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let written = sqlx::query!(
            "INSERT INTO contacts (org_id, contact_id, external_id, name, phone, email, metadata, tags, created_at,
                                   updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $9)
                 ON CONFLICT (org_id, contact_id) DO NOTHING",
            self.0.org.0,
            new.id,
            new.external_id.as_deref(),
            new.name.as_deref(),
            new.phone.as_deref(),
            new.email.as_deref(),
            new.metadata.as_str(),
            &new.tags,
            new.created_at
        )
        .execute(&mut *transaction)
        .await;
        match written {
            Ok(_) => {
                self.0.note_commit();
                transaction.commit().await?;
                self.0.stored(counted_bytes(new));
                Ok(Kept::Kept(new.clone()))
            }
            Err(error) if is_taken(&error) => Ok(Kept::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the contact if there is none with its external id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::StorageFull`] when the
    /// organization's storage quota is used up.
    pub async fn find_or_create(&self, new: &Contact) -> Result<(), StoreError> {
        if let Some(external_id) = new.external_id.as_deref() {
            let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
            let known = sqlx::query_scalar!(
                "SELECT contact_id FROM contacts WHERE org_id = $1 AND external_id = $2",
                self.0.org.0,
                external_id
            )
            .fetch_optional(&mut *transaction)
            .await?;
            transaction.commit().await?;
            if known.is_some() {
                return Ok(());
            }
        }
        // Of several concurrent calls, one creates it.
        self.create(new).await.map(|_| ())
    }

    /// Changes a contact by a rule, under a lock.
    ///
    /// # Errors
    /// [`StoreError::StorageFull`] when the storage quota is used up and the contact would become longer,
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn change(&self, id: Uuid, now: Timestamp, rule: impl Fn(&mut Contact)) -> Result<Kept, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let row = sqlx::query_as!(
            ContactRow,
            r#"SELECT contact_id, external_id, name, phone, email, metadata::text AS "metadata!", tags, created_at
                 FROM contacts WHERE org_id = $1 AND contact_id = $2 FOR UPDATE"#,
            self.0.org.0,
            id
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(Kept::Gone) };
        let mut contact = Contact::try_from(row)?;
        let before = counted_bytes(&contact);
        rule(&mut contact);
        let grown = counted_bytes(&contact).saturating_sub(before);
        if grown > 0 {
            self.0.has_room()?;
        }
        let written = sqlx::query!(
            "UPDATE contacts
                SET external_id = $3, name = $4, phone = $5, email = $6, metadata = $7::text::json, tags = $8,
                    updated_at = $9
              WHERE org_id = $1 AND contact_id = $2",
            self.0.org.0,
            id,
            contact.external_id.as_deref(),
            contact.name.as_deref(),
            contact.phone.as_deref(),
            contact.email.as_deref(),
            contact.metadata.as_str(),
            &contact.tags,
            now
        )
        .execute(&mut *transaction)
        .await;
        match written {
            Ok(_) => {
                transaction.commit().await?;
                self.0.stored(grown);
                Ok(Kept::Kept(contact))
            }
            Err(error) if is_taken(&error) => Ok(Kept::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a contact. Returns `true` if it existed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn delete(&self, id: Uuid) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let deleted = sqlx::query!("DELETE FROM contacts WHERE org_id = $1 AND contact_id = $2", self.0.org.0, id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected() == 1)
    }

    /// Returns a page of contacts, newest first, whose name, email, phone or external id contains `search`, ignoring
    /// case.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(
        &self,
        search: Option<&str>,
        after: Option<ContactCursor>,
        skip: i64,
        limit: i64,
    ) -> Result<ContactPage, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let window = self.window(&mut transaction, search, after).await?;
        let (at, id) = keyset::or_latest(after);
        let skip = skip.clamp(0, CONTACT_WINDOW);
        let limit = limit.min(CONTACT_WINDOW - skip);
        let ids: Vec<Uuid> = match search {
            None => {
                sqlx::query_scalar!(
                    "SELECT contact_id FROM contacts WHERE org_id = $1 AND (created_at, contact_id) < ($2, $3)
                      ORDER BY created_at DESC, contact_id DESC LIMIT $4 OFFSET $5",
                    self.0.org.0,
                    at,
                    id,
                    limit,
                    skip
                )
                .fetch_all(&mut *transaction)
                .await?
            }
            Some(search) => {
                sqlx::query_scalar!(
                    r"SELECT contact_id FROM contacts
                       WHERE org_id = $1 AND (created_at, contact_id) < ($2, $3) AND created_at >= $7
                         AND strpos(lower(concat_ws(E'\n', name, email, phone, external_id)), lower($4)) > 0
                       ORDER BY created_at DESC, contact_id DESC LIMIT $5 OFFSET $6",
                    self.0.org.0,
                    at,
                    id,
                    search,
                    limit,
                    skip,
                    window.farthest.unwrap_or_else(keyset::earliest)
                )
                .fetch_all(&mut *transaction)
                .await?
            }
        };
        let rows = sqlx::query_as!(
            ContactRow,
            r#"SELECT contact_id, external_id, name, phone, email, metadata::text AS "metadata!", tags, created_at
                 FROM contacts WHERE org_id = $1 AND contact_id = ANY ($2)
                ORDER BY created_at DESC, contact_id DESC"#,
            self.0.org.0,
            &ids
        );
        let page = bytes::page(rows.fetch(&mut *transaction), MAX_PAGE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        let Page { rows: contacts, cut } = page.try_into_rows::<Contact, StoreError>()?;
        let next = if cut { contacts.last().map(|last| (last.created_at, last.id)) } else { window.end };
        Ok(ContactPage { contacts, total: window.total, next })
    }

    /// Counts the contacts that a list reads and those that match, unless they are cached.
    async fn window(
        &self,
        transaction: &mut PooledTransaction,
        search: Option<&str>,
        after: Option<ContactCursor>,
    ) -> Result<ContactWindow, StoreError> {
        let key = ContactWindowKey { org: self.0.org, search: search.map(str::to_owned), after };
        if let Some(window) = self.0.counts().contacts.get(&key) {
            return Ok(window);
        }
        let (at, id) = keyset::or_latest(after);
        let counted = match search {
            None => {
                sqlx::query_as!(
                    CountedContacts,
                    r#"SELECT count(*) AS "seen!", count(*) AS "total!", (array_agg(created_at))[$4] AS last_at,
                              (array_agg(contact_id))[$4] AS last_id, NULL::timestamptz AS first,
                              NULL::timestamptz AS oldest_fit
                         FROM (SELECT created_at, contact_id FROM contacts
                                WHERE org_id = $1 AND (created_at, contact_id) < ($2, $3)
                                ORDER BY created_at DESC, contact_id DESC LIMIT $4) near"#,
                    self.0.org.0,
                    at,
                    id,
                    CONTACT_WINDOW
                )
                .fetch_one(&mut **transaction)
                .await?
            }
            Some(search) => {
                sqlx::query_as!(
                    CountedContacts,
                    r#"SELECT count(*) AS "seen!", count(*) FILTER (WHERE fits) AS "total!",
                              (array_agg(created_at))[$4] AS last_at, (array_agg(contact_id))[$4] AS last_id,
                              max(created_at) AS first, min(created_at) FILTER (WHERE fits) AS oldest_fit
                         FROM (SELECT created_at, contact_id,
                                      strpos(lower(concat_ws(E'\n', name, email, phone, external_id)), lower($5)) > 0
                                      AS fits
                                 FROM contacts WHERE org_id = $1 AND (created_at, contact_id) < ($2, $3)
                                ORDER BY created_at DESC, contact_id DESC LIMIT $4) near"#,
                    self.0.org.0,
                    at,
                    id,
                    CONTACT_WINDOW,
                    search
                )
                .fetch_one(&mut **transaction)
                .await?
            }
        };
        let window = ContactWindow {
            total: counted.total,
            end: counted.last_at.zip(counted.last_id),
            farthest: counted.oldest_fit.or(counted.first),
        };
        self.0.counts().contacts.insert(key, window, counted.seen);
        Ok(window)
    }
}
